"""The suites of services and system on another ground: `make test-cluster`, `test-sentinels`, `test-replica`, `test-late-replica`.

    python -m tests.scale.suites cluster [words for pytest; with a path of tests among them, these alone]

Each of pytest's processes has servers of its own. What measures time is left out: it says something about the product, and
not about what is under it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from tests.scale.left_out import LEFT_OUT
from tests.scale.services_on_mysql import RUNNING

SUITES = ("tests/service", "tests/system")


def main() -> int:
    """Run both, and say what was left out."""
    ground, *words = sys.argv[1:]
    if ground not in LEFT_OUT:
        _say(f"There is no {ground}; there is {', '.join(LEFT_OUT)}.")
        return 2
    paths = [word for word in words if word.startswith("tests/")]
    rest = [word for word in words if word not in paths]
    _say(f"On {ground}. Left out are tests that use none of its servers, what measures time (marked alone), and:")
    for name, reason in LEFT_OUT[ground].items():
        _say(f"  {name}: {reason}")
    environment = {name: value for name, value in os.environ.items() if name not in RUNNING}
    failed = 0
    for suite in SUITES:
        chosen = [path for path in paths or SUITES if path.startswith(suite)]
        if not chosen:
            continue
        began = time.monotonic()
        options = ["-n", "2", "-m", "not alone", *f"-p tests.scale.on_ground --ground {ground}".split()]
        whole = [] if words else ["--whole"]  # of a few chosen tests nothing is to be expected
        command = [sys.executable, "-m", "pytest", *chosen, *options, *whole, *rest]
        status = subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - ours
        _say(f"{' '.join(chosen)} on {ground}: {time.monotonic() - began:.0f} s")
        if not (words and status == pytest.ExitCode.NO_TESTS_COLLECTED):
            failed = failed or status  # one that was killed is negative
    return failed


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
