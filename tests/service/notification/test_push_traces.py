"""A push belongs to the trace of what caused it, through the queue and whatever time passes in it."""

import asyncio
import json
from typing import Any

import pytest
import structlog

from firewalker.kernel.ids import new_uuid7
from firewalker.runtime import logging, tracing
from tests.service.notification.conftest import Office, event, profile
from tests.support.collector import collecting

ONE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def request(office: Office, asked: Any, traceparent: str) -> Any:
    asking = {"requester": profile(new_uuid7()), "addressee_id": str(asked)}
    return event(office.clock.now(), friend_requested=asking, traceparent=traceparent)


async def test_lines_about_a_push_have_the_trace_of_its_cause(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    me, other, third = new_uuid7(), new_uuid7(), new_uuid7()
    for user, token in ((me, "503.one"), (other, "503.other"), (third, "503.third")):
        await office.register(user, str(user), token=token)
    logging.configure(level="info", form="json", service="notification")
    try:
        # All in one delivery: whose trace it is stands in each event.
        await office.tell(
            request(office, me, ONE), request(office, other, ""), request(office, third, "00-not-a-trace-01")
        )
        await office.settled()
    finally:
        structlog.reset_defaults()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    answers = [line for line in lines if line["event"] == "fcm_answer"]
    assert sorted(str(line.get("trace_id")) for line in answers) == [ONE[3:35], "None", "None"]
    assert all("request_id" not in line for line in answers)
    for table in ("push", "delivery"):
        kept = await office.sql(f"SELECT traceparent FROM {table}")  # noqa: S608 - named here
        assert sorted(str(trace) for (trace,) in kept) == [ONE, "None", "None"]


async def test_a_push_is_part_of_its_causes_trace_and_one_of_several_is_tied_to_them(office: Office) -> None:
    me, other = new_uuid7(), new_uuid7()
    await office.register(me, "mine")
    await office.register(other, "others")
    with collecting() as collector:
        tracing.start(collector.endpoint, service="test", share=1)
        try:
            await office.tell(request(office, me, ONE))
            await office.pushed(1)
            await office.tell(request(office, other, ONE), request(office, other, OTHER))
            await office.pushed(2)
            await office.settled()
            await asyncio.to_thread(tracing._otel.provider.force_flush)
        finally:
            tracing.stop()
    spans = {span.span: span for span in collector.spans}
    sent = [span for span in collector.spans if span.name == "FCM send"]
    alone = next(span for span in sent if span.trace == ONE[3:35])
    together = next(span for span in sent if span.trace != ONE[3:35])
    planned = spans[alone.parent]
    assert (planned.name, planned.trace, planned.parent, planned.links) == ("plan push", ONE[3:35], ONE[36:52], ())
    assert (planned.attributes["type"], planned.attributes["outcome"]) == ("FRIEND_REQUEST", "pushed")
    # Two requests that are told of by one push: a trace of its own, from which both are found.
    planned = spans[together.parent]
    assert (planned.name, planned.parent, set(planned.links)) == ("plan push", "", {ONE[3:35], OTHER[3:35]})
    assert together.trace == planned.trace
