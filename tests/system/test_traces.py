"""One request, followed through everything that it sets going; and what is told of it without any collector."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from firewalker.local.backend import Backend
from firewalker.local.secrets import SERVICES
from tests.support.collector import Collector, SpanSeen, collecting
from tests.system.people import TOLD_WITHIN_S, Town, eventually
from tests.system.phones import shown, signed, with_phone
from tests.system.wire import Grpc

OF_A_CLIENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
"""W3C's example, not sampled: that is not the client's to say."""
TRACE = OF_A_CLIENT[3:35]


def traced(collector: Collector) -> dict[str, str]:
    every = ("TRANSCODER", *(name.upper() for name in SERVICES))
    return {
        **{f"FIREWALKER_{name}_TRACE_ENDPOINT": collector.endpoint for name in every},
        **{f"FIREWALKER_{name}_TRACE_SHARE": "1" for name in every},
        **{f"FIREWALKER_{name}_LOG_FORMAT": "json" for name in every},
    }


def parent_of(span: SpanSeen, among: list[SpanSeen]) -> SpanSeen:
    return next(other for other in among if other.span == span.parent)


async def mails(backend: Backend) -> bool:
    """Whether both newcomers have their mails, and one of them that for a forgotten password."""
    return len(list((backend.plan.secrets.folder.parent / "mail").glob("*.eml"))) > 2


async def test_a_request_is_one_trace_through_services_sql_redis_and_events(tmp_path: Path) -> None:
    with collecting() as collector:
        async with (
            Backend.start(tmp_path, settings=traced(collector)) as backend,
            httpx.AsyncClient(base_url=f"http://{backend.address('transcoder')}", timeout=60) as rest,
        ):
            clients = [Grpc(backend.address(name)) for name in SERVICES]
            town = Town(clients[0], clients[1], clients[2])
            ann, bo = await town.person("Ann"), await town.person("Bo")
            await with_phone(rest, bo)
            asked = await rest.post(
                "/v1/friend-requests",
                json={"userId": bo.user_id},
                headers={**signed(ann), "traceparent": OF_A_CLIENT, "x-request-id": "of-a-test"},
            )
            assert asked.status_code == 200, asked.text
            forgotten = await rest.post(
                "/v1/auth/password-reset",
                json={"email": bo.email},
                headers={"traceparent": OF_A_CLIENT},
            )
            assert forgotten.status_code == 200, forgotten.text
            await eventually(lambda: shown(backend, ann), TOLD_WITHIN_S)
            await eventually(lambda: mails(backend), TOLD_WITHIN_S)
            await town.record(ann, 10)
            lines = [line for service in SERVICES for line in backend.lines(service)]
            for client in clients:
                await client.close()
        # All processes have stopped, so every span has left.
        spans = collector.of(TRACE)
        made = {(span.service, span.name) for span in collector.spans}
        assert ("firewalker-step", "Redis") in made

    first = next(span for span in spans if span.service == "transcoder")
    assert (first.name, first.parent) == ("POST /v1/friend-requests", OF_A_CLIENT[36:52])
    call = next(span for span in spans if span.name.endswith("FriendService/SendFriendRequest"))
    assert parent_of(call, spans) == first
    assert call.attributes["firewalker.request_id"] == "of-a-test"
    assert {"SQL", "COMMIT"} <= {span.name for span in spans if span.parent == call.span}
    # Statements without what was filled in.
    statements = [span.attributes["db.query.text"] for span in spans if span.name == "SQL"]
    assert any("%s" in text or "%(" in text for text in statements)
    assert not any(ann.nickname in text for text in statements)
    # What the event set going in the other services.
    for service in ("step", "notification"):
        taken = next(
            s for s in spans if s.service == f"firewalker-{service}" and s.name.endswith("EventSinkService/Deliver")
        )
        delivery = parent_of(parent_of(taken, spans), spans)
        assert (delivery.service, delivery.name) == ("firewalker-user", "deliver events")
        assert delivery.parent in {span.span for span in spans}
    # The step service has no use for a mere request; the inbox is written within its trace.
    assert {"SQL", "COMMIT"} <= {span.name for span in spans if span.service == "firewalker-notification"}
    # What waited in queues: the push from the inbox to FCM, and a mail.
    sent = next(span for span in spans if span.name == "FCM send")
    planned = parent_of(sent, spans)
    assert (planned.service, planned.name, planned.parent) == ("firewalker-notification", "plan push", call.span)
    asked_for = next(span for span in spans if span.name.endswith("AuthService/RequestPasswordReset"))
    mail = next(span for span in spans if span.name == "send mail")
    assert (parent_of(mail, spans), mail.attributes["kind"]) == (asked_for, "reset")
    told = [json.loads(line) for line in lines if line.startswith("{")]
    methods = {line["method"] for line in told if line.get("trace_id") == TRACE and line["event"] == "call"}
    assert {method.rpartition("/")[2] for method in methods} == {
        "SendFriendRequest",
        "RequestPasswordReset",
        "Deliver",
    }
