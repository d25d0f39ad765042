"""Fuzz one target with atheris: `make fuzz`, or

    python -m tests.fuzz connections|requests|tokens [--seconds 60]

Starts from the corpus. Inputs that bring new coverage go to `.local/fuzz/<target>/`, from where later runs go on; one
that fails is written there as `crash-…`, with its traceback on the terminal, and the program ends with an error.
Needs atheris, of the dependency group `fuzz`.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

atheris: Any = import_module("atheris")

with atheris.instrument_imports(include=["firewalker", "h2", "hpack", "hyperframe", "grpclib", "jwt"]):
    from tests.fuzz.corpus import FOLDER, TARGETS

_WORK = Path(__file__).resolve().parents[2] / ".local" / "fuzz"
_MAX_INPUT_BYTES = 4_096


def main() -> None:
    """Fuzz; ends the process."""
    parser = argparse.ArgumentParser(description="fuzz one target with atheris")
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=60)
    chosen = parser.parse_args()
    work = _WORK / chosen.target
    work.mkdir(parents=True, exist_ok=True)
    arguments = [
        sys.argv[0],
        f"-max_total_time={chosen.seconds}",
        f"-max_len={_MAX_INPUT_BYTES}",
        f"-artifact_prefix={work}/",
        "-timeout=10",
        "-rss_limit_mb=1024",
        "-print_final_stats=1",
        str(work),
        str(FOLDER / chosen.target),
    ]
    atheris.Setup(arguments, TARGETS[chosen.target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
