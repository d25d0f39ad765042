"""A traceback is found in every form that a process of the product writes one in."""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from firewalker.runtime import logging
from tests.support.journal import Journal
from transcoder import logs

pytestmark = pytest.mark.usefixtures("restored_logging")


def a_service() -> None:
    logging.configure(level="info", form="console", service="user")
    structlog.get_logger().exception("bug")


def a_service_in_json() -> None:
    logging.configure(level="info", form="json", service="user")
    structlog.get_logger().exception("bug")


def the_transcoder() -> None:
    logs.configure("info", "console")
    structlog.get_logger().exception("bug")


def a_dying_process() -> None:
    sys.stderr.write("bug\n")
    traceback.print_exc()


def written(by: Callable[[], None], captured: pytest.CaptureFixture[str]) -> list[str]:
    try:
        int("no number")
    except ValueError:
        by()
    return captured.readouterr().err.splitlines()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


@pytest.mark.parametrize("by", [a_service, a_service_in_json, the_transcoder, a_dying_process])
def test_a_traceback_is_kept_from_its_log_line_to_its_error(
    by: Callable[[], None], journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = written(by, capsys)
    for line in ["before", *lines, "after"]:
        journal.say("user", line)
    (found,) = journal.tracebacks
    assert "bug" in found
    assert "Traceback (most recent call last)" in found
    assert "ValueError: invalid literal" in found.splitlines()[-1]
    assert journal.path.read_text().splitlines() == [f"user | {line}" for line in ["before", *lines, "after"]]


def test_tracebacks_of_several_processes_stay_apart(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    told = {"user": written(a_service, capsys), "transcoder": written(the_transcoder, capsys)}
    while any(told.values()):
        for name, lines in told.items():
            if lines:
                journal.say(name, lines.pop(0))
    one, other = journal.tracebacks
    for name, found in (("user", one), ("transcoder", other)):
        assert all(line.startswith(f"{name} | ") for line in found.splitlines())
        assert "ValueError: invalid literal" in found.splitlines()[-1]


def test_a_process_that_dies_of_what_it_logged_is_found_twice(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    for line in [*written(a_service, capsys), *written(a_dying_process, capsys)[1:]]:
        journal.say("user", line)
    assert len(journal.tracebacks) == 2


def test_what_was_found_can_be_forgotten(journal: Journal) -> None:
    for line in ("Traceback (most recent call last):", "KeyError: 1", "KeyError: 2"):
        journal.say("user", line)
    assert journal.tracebacks == ["user | \nuser | Traceback (most recent call last):\nuser | KeyError: 1"]
    journal.begin()
    assert journal.tracebacks == []
