"""Run as a script: ties the process to its parent's life (Linux), then becomes the command it is given.

    python -I -S tether.py PARENT-PID COMMAND [ARGUMENT ...]

A process of its own between fork and exec, because Python code between them (`preexec_fn`) may deadlock when the parent has
threads. It stays out of the way: same pid, same files, some 10 ms. Nothing else may be imported here.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h: the signal that this process gets when the thread that started it ends."""


def main() -> None:
    """Tie and become. Ends with status 127 if the command cannot be run, as shells do."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    # Not a polite signal: a child that hangs in its shutdown would be the orphan that this prevents. Committed data
    # survives it by design.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(f"the supervisor {parent} ended before {command[0]} could start")
    try:
        os.execvp(command[0], command)  # noqa: S606 - becoming the command is the purpose
    except OSError as problem:
        sys.stderr.write(f"{command[0]} cannot be run: {problem.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main()
