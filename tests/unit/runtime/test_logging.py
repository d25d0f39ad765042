import json
import logging as stdlib

import pytest
import structlog

from firewalker.runtime import logging

pytestmark = pytest.mark.usefixtures("restored_logging")


def lines(captured: pytest.CaptureFixture[str]) -> list[str]:
    return captured.readouterr().err.splitlines()


def test_json_is_one_line_with_the_context_of_the_call(capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure(level="info", form="json", service="user")
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger().info("call", method="/a\nb", text="\u2028\x1b[31m")
    (line,) = lines(capsys)
    found = json.loads(line)
    assert found["event"] == "call"
    assert (found["service"], found["request_id"], found["method"]) == ("user", "r1", "/a\nb")
    assert line.isascii()
    assert line.isprintable()


def test_a_traceback_stays_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure(level="info", form="json", service="user")
    try:
        int("no number")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = lines(capsys)
    assert "ValueError" in json.loads(line)["exception"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_are_removed_and_control_characters_escaped(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure(level="debug", form=form, service="user")
    structlog.get_logger().info("x\ny\x1b[2J", password="geheim", refresh_token="geheim", other="a\nb")
    (line,) = lines(capsys)
    assert "geheim" not in line
    assert "\x1b" not in line


def test_users_become_pseudonyms_with_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure(level="info", form="json", service="user", pseudonym_key=bytes(32))
    structlog.get_logger().info("a", user_id="0190")
    structlog.get_logger().info("b", user_id="0190")
    one, two = (json.loads(line)["user_id"] for line in lines(capsys))
    assert one == two != "0190"


@pytest.mark.parametrize("name", sorted(logging.PEOPLE))
def test_users_are_pseudonyms_without_a_key_too(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure(level="info", form="json", service="user")
    structlog.get_logger().info("a", **{name: "0190"})
    structlog.get_logger().info("b", **{name: "0190"})
    logging.configure(level="info", form="json", service="user")
    structlog.get_logger().info("of another process", **{name: "0190"})
    one, two, other = (json.loads(line)[name] for line in lines(capsys))
    assert one == two
    assert "0190" not in (one, other)
    assert one != other


def test_records_of_libraries_go_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure(level="debug", form="json", service="step")
    stdlib.getLogger("some.library").warning("hello %s", "you")
    stdlib.getLogger("hpack").debug("Decoded header authorization: Bearer geheim")
    (line,) = lines(capsys)
    assert json.loads(line)["event"] == "hello you"
    assert json.loads(line)["service"] == "step"


def test_below_the_level_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure(level="warning", form="console", service="step")
    structlog.get_logger().info("quiet")
    assert lines(capsys) == []
