"""Every answer of FCM has exactly one meaning; registrations are pruned on evidence alone."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.notification.fcm.answers import Kind, Scope, classify

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
FCM = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD = "type.googleapis.com/google.rpc.BadRequest"
QUOTA = "type.googleapis.com/google.rpc.QuotaFailure"
HTML = b"<!DOCTYPE html><title>Error 502 (Server Error)!!1</title><p>Please try again in 30 seconds."


def code(name: str) -> dict[str, Any]:
    return {"@type": FCM, "errorCode": name}


def field(name: str) -> dict[str, Any]:
    return {"@type": BAD, "fieldViolations": [{"field": name, "description": "x"}]}


def quota(subject: str) -> dict[str, Any]:
    return {"@type": QUOTA, "violations": [{"subject": subject, "description": "x"}]}


def error(*details: Any, message: str = "m") -> bytes:
    return json.dumps({"error": {"code": 0, "message": message, "status": "S", "details": list(details)}}).encode()


STALE = "The registration token is not a valid FCM registration token"


@pytest.mark.requirement("FCM-04")
@pytest.mark.parametrize(
    ("status", "body", "kind", "scope"),
    [
        (200, b'{"name":"projects/p/messages/1"}', Kind.ACCEPTED, Scope.MESSAGE),
        (200, b"{}", Kind.UNKNOWN, Scope.MESSAGE),
        (200, b"", Kind.UNKNOWN, Scope.MESSAGE),
        (200, b'{"name":7}', Kind.UNKNOWN, Scope.MESSAGE),
        (204, b"", Kind.UNKNOWN, Scope.MESSAGE),
        (302, b"", Kind.UNKNOWN, Scope.MESSAGE),
        (400, error(code("INVALID_ARGUMENT"), field("message.token")), Kind.GONE, Scope.DEVICE),
        (400, error(field("message.token"), code("INVALID_ARGUMENT")), Kind.GONE, Scope.DEVICE),
        (400, error(field("message.fid")), Kind.GONE, Scope.DEVICE),
        (400, error(message=STALE), Kind.GONE, Scope.DEVICE),
        (400, error(code("INVALID_ARGUMENT")), Kind.REFUSED, Scope.MESSAGE),
        (400, error(code("INVALID_ARGUMENT"), field("message.data[0].value")), Kind.REFUSED, Scope.MESSAGE),
        (400, error(field("message.token"), field("message.android.ttl")), Kind.REFUSED, Scope.MESSAGE),
        (400, b"{}", Kind.REFUSED, Scope.MESSAGE),
        (401, error(), Kind.UNAUTHENTICATED, Scope.PROJECT),
        (401, error(code("THIRD_PARTY_AUTH_ERROR")), Kind.PARKED, Scope.PLATFORM),
        (401, error({"@type": "x"}, code("APNS_AUTH_ERROR")), Kind.PARKED, Scope.PLATFORM),
        (403, error(code("SENDER_ID_MISMATCH")), Kind.GONE, Scope.DEVICE),
        (403, error(), Kind.PARKED, Scope.PROJECT),
        (404, error(code("UNREGISTERED")), Kind.GONE, Scope.DEVICE),
        (404, error(), Kind.PARKED, Scope.PROJECT),
        (404, HTML, Kind.PARKED, Scope.PROJECT),
        (408, b"", Kind.LATER, Scope.MESSAGE),
        (413, b"", Kind.REFUSED, Scope.MESSAGE),
        (429, error(code("QUOTA_EXCEEDED"), quota("project:p")), Kind.LATER, Scope.PROJECT),
        (429, error(code("QUOTA_EXCEEDED"), quota("device")), Kind.LATER, Scope.DEVICE),
        (429, b"", Kind.LATER, Scope.PROJECT),
        (500, error(code("INTERNAL")), Kind.LATER, Scope.MESSAGE),
        (502, HTML, Kind.LATER, Scope.MESSAGE),
        (503, error(code("UNAVAILABLE")), Kind.LATER, Scope.MESSAGE),
        (503, error(code("SOMETHING_NEW")), Kind.LATER, Scope.MESSAGE),
    ],
)
def test_what_an_answer_means(status: int, body: bytes, kind: Kind, scope: Scope) -> None:
    answer = classify(status, {}, body, attempts=0, at=NOW)
    assert (answer.kind, answer.scope) == (kind, scope)
    assert answer.prune is (kind is Kind.GONE)
    assert (answer.wait is not None) is (kind in {Kind.LATER, Kind.UNKNOWN})


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.sampled_from(["UNREGISTERED", FCM, BAD, "INVALID_ARGUMENT"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "error",
                    "details",
                    "@type",
                    "errorCode",
                    "fieldViolations",
                    "field",
                    "message",
                    "name",
                    "violations",
                    "subject",
                ]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@pytest.mark.requirement("FCM-04")
@given(
    status=st.integers(100, 599) | st.sampled_from([200, 400, 401, 403, 404, 429, 503]),
    headers=st.dictionaries(st.just("retry-after"), st.text(max_size=40)),
    body=_json.map(lambda found: json.dumps(found).encode()) | st.binary(max_size=60),
    attempts=st.integers(0, 1000),
)
def test_nothing_that_comes_back_is_too_strange(
    status: int, headers: Mapping[str, str], body: bytes, attempts: int
) -> None:
    answer = classify(status, headers, body, attempts=attempts, at=NOW)
    assert answer.wait is None or timedelta(seconds=10) <= answer.wait <= timedelta(minutes=72)
    if answer.prune:
        evidence = (b"UNREGISTERED", b"SENDER_ID_MISMATCH", b"message.token", b"message.fid", STALE.encode())
        assert any(word in body for word in evidence)


@pytest.mark.requirement("FCM-07")
@pytest.mark.parametrize(
    ("status", "retry_after", "attempts", "least", "most"),
    [
        (429, "120", 0, 120, 144),
        (429, format_datetime(NOW + timedelta(seconds=120), usegmt=True), 0, 120, 144),
        (503, "1", 0, 10, 12),
        (503, "99999999999999999999", 0, 3600, 4320),
        (503, format_datetime(NOW - timedelta(days=1), usegmt=True), 0, 10, 12),
        (429, None, 0, 60, 72),
        (429, None, 2, 240, 288),
        (429, "soon", 0, 60, 72),
        (429, "-5", 0, 60, 72),
        (500, None, 3, 80, 96),
        (502, None, 0, 30, 36),
        (503, None, 40, 3600, 4320),
    ],
)
def test_how_long_to_wait(status: int, retry_after: str | None, attempts: int, least: int, most: int) -> None:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    waits = [classify(status, headers, b"", attempts=attempts, at=NOW).wait for _ in range(200)]
    seconds = [wait.total_seconds() for wait in waits if wait is not None]
    assert len(seconds) == 200
    # Never earlier than asked for, and not all at once.
    assert least <= min(seconds) < max(seconds) <= most
    assert max(seconds) - min(seconds) > (most - least) / 2
