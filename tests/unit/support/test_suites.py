"""What the suites on another ground come to."""

import signal
import subprocess
import sys

import pytest

from tests.scale import suites


@pytest.mark.parametrize("statuses", [(-signal.SIGKILL, 0), (0, -signal.SIGKILL), (1, 0), (0, 2)])
def test_a_suite_that_failed_or_was_killed_is_told_of(
    statuses: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = iter(statuses)

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, next(ended))

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["suites", "cluster"])
    assert suites.main() != 0
