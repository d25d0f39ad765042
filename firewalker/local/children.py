"""How a child process is started and ended here, whoever does it: the facts of the operating system in one place."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

TETHER = Path(__file__).with_name("tether.py")


def tethered(command: Sequence[str]) -> list[str]:
    """*command* so that, on Linux, it is killed when the *thread* that starts it ends; start it from the main thread.

    Elsewhere the command itself: there a killed supervisor leaves its children running, and `end_leftover` finds them.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *command]


def signal_group(pid: int, number: int) -> None:
    """Send signal *number* to the process group that *pid* leads; nothing happens if it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def end_leftover(pid_file: Path, mark: str, within_s: float = 20) -> None:
    """End the process that *pid_file* names, if it still runs and has *mark* in its command line; then remove the file.

    The mark (a path of ours among the arguments) keeps this from touching a stranger that got the same pid since.
    """
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        pid = 0
    deadline = time.monotonic() + within_s
    number: int = signal.SIGTERM
    while pid > 1 and mark in _command_line(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        number = 0 if time.monotonic() < deadline else signal.SIGKILL
        time.sleep(0.05)
    pid_file.unlink(missing_ok=True)


def _command_line(pid: int) -> str:
    with contextlib.suppress(OSError):
        # Present on every system with processes to ask about; /proc is Linux only.
        return subprocess.run(
            ["ps", "-ww", "-o", "command=", "-p", str(pid)],  # noqa: S607 - ps is found as any shell would
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        ).stdout
    return ""
