"""The drill: ``make drill``. Lose everything, restore the last backup, and see what is missing and how long it took.

python -m tests.drill [--people 50] [--seconds 20]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.drill.rehearsal import rehearse


def main() -> int:
    """Do it; 1 if something that was there before the backup is not there afterwards."""
    parser = argparse.ArgumentParser(prog="python -m tests.drill")
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20, help="how long they walk, before the backup and after it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fw-drill.") as folder:
        outcome = asyncio.run(rehearse(Path(folder), arguments.people, arguments.seconds))
    print(f"{outcome.acknowledged} messages were acknowledged; {outcome.kept} of them before the backup began.")
    print(f"RPO: {outcome.rpo_s:.1f} s (the oldest acknowledged message that is lost, before the loss of everything)")
    print(f"RTO: {outcome.rto_s:.1f} s (from empty servers to a backend that serves, Redis included)")
    for wrong in outcome.wrong:
        print(f"wrong: {wrong}", file=sys.stderr)
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
