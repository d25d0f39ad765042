"""What is told of a call without a collector: ids in every line, and the trace passed on. Recording is tests/system's."""

import asyncio
import contextvars
import json
from datetime import UTC, datetime

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from firewalker.gen.pb.firewalker.event.v1 import Event
from firewalker.kernel.ids import EventId, new_uuid7
from firewalker.runtime import logging, tracing
from firewalker.runtime.outbox.appending import OutboxEvent, _traced
from tests.support.collector import collecting

TOLD = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def within_a_call(traceparent: bytes = TOLD) -> contextvars.Context:
    context = contextvars.copy_context()
    context.run(tracing.enter, "/a.B/C", "r-1", traceparent)
    return context


def test_lines_of_a_call_have_its_ids_whoever_writes_them(capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure(level="info", form="json", service="user")
    try:
        within_a_call().run(structlog.get_logger().warning, "deep inside")
        within_a_call(b"").run(structlog.get_logger().warning, "untraced")
        structlog.get_logger().warning("in the background")
    finally:
        structlog.reset_defaults()
    inside, untraced, outside = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (inside["request_id"], inside["trace_id"]) == ("r-1", TOLD[3:35].decode())
    assert (untraced["request_id"], "trace_id" in untraced) == ("r-1", False)
    assert "request_id" not in outside


def test_the_trace_travels_on_and_into_events() -> None:
    assert within_a_call().run(tracing.onward) == TOLD.decode()
    assert tracing.onward() == ""
    made = Event(event_id="e", create_time=datetime(2026, 1, 1, tzinfo=UTC))
    row = OutboxEvent(EventId(new_uuid7()), "Kind", bytes(made), datetime(2026, 1, 1, tzinfo=UTC), new_uuid7())
    (stored,) = within_a_call().run(_traced, [row])
    read = Event.parse(stored[2])
    assert (read.event_id, read.create_time, read.traceparent) == ("e", made.create_time, TOLD.decode())
    assert _traced([row]) == [row]


@given(
    st.one_of(st.binary(max_size=70), st.from_regex(rb"0[01]-[0-9a-fA-F]{32}-[0-9a-f]{16}-[0-9a-f]{2}", fullmatch=True))
)
def test_what_is_no_trace_context_goes_nowhere(told: bytes) -> None:
    onward = within_a_call(told).run(tracing.onward)
    right = told[:3] == b"00-" and len(told) == 55 and told == told.lower() and b"0" * 32 not in told
    assert onward in ({told.decode("latin-1"), ""} if right else {""})


async def test_a_span_that_is_not_recorded_changes_nothing() -> None:
    with tracing.span("SQL", **{"db.system": "mysql"}) as span:
        await asyncio.sleep(0)
    assert span is None


def test_a_failed_block_tells_the_class_of_its_error_alone() -> None:
    with collecting() as collector:
        tracing.start(collector.endpoint, service="test", share=1)
        try:
            with pytest.raises(ValueError, match="Duplicate"), tracing.span("SQL"):
                raise ValueError("Duplicate entry 'ann@example.com'")
        finally:
            tracing.stop()
    (span,) = collector.spans
    assert (span.name, span.status) == ("SQL", "ValueError")


def test_a_block_within_a_call_stays_in_its_trace_whatever_it_is_tied_to() -> None:
    other = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    def block(name: str) -> None:
        with tracing.span(name, links=[other]):
            pass

    with collecting() as collector:
        tracing.start(collector.endpoint, service="test", share=1)
        try:
            block("alone")
            within_a_call().run(block, "in a call")
        finally:
            tracing.stop()
    spans = {span.name: span for span in collector.spans}
    assert (spans["alone"].trace, spans["alone"].parent, spans["alone"].links) == (other[3:35], other[36:52], ())
    assert (spans["in a call"].trace, spans["in a call"].links) == (TOLD[3:35].decode(), (other[3:35],))


def test_work_that_waited_has_the_ids_of_what_left_it_and_leaves_none_behind(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logging.configure(level="info", form="json", service="user")
    try:
        with tracing.caused("later", [TOLD.decode(), TOLD.decode(), ""]):
            structlog.get_logger().warning("of one")
            assert tracing.onward() == TOLD.decode()
        with tracing.caused("later", [TOLD.decode(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]):
            structlog.get_logger().warning("of two")
            assert tracing.onward() == ""
        structlog.get_logger().warning("of none")
    finally:
        structlog.reset_defaults()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line.get("trace_id") for line in lines] == [TOLD[3:35].decode(), None, None]
    assert not any("request_id" in line for line in lines)


def test_the_share_of_traces_is_decided_by_their_ids_and_not_by_clients() -> None:
    low, high = b"00-4bf92f3577b34da60000000000000001", b"00-4bf92f3577b34da6f000000000000001"
    with collecting() as collector:
        tracing.start(collector.endpoint, service="test", share=0.1)
        try:
            for trace, flag in ((low, b"00"), (high, b"01")):
                context = contextvars.copy_context()
                ids = context.run(tracing.enter, "/a.B/C", "r-1", trace + b"-00f067aa0ba902b7-" + flag)
                assert ids.trace_id == trace[3:].decode()
                tracing.leave(ids, "OK", "", failed=False)
        finally:
            tracing.stop()
    assert [span.trace for span in collector.spans] == [low[3:].decode()]
