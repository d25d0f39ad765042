"""Every fault has one status, its reason, and all of its particulars; bugs tell nothing."""

from base64 import b64decode
from datetime import timedelta
from typing import Any

import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status as StatusMessage

from firewalker.kernel.faults import Contention, Fault, InvalidRequest, Kind, Overloaded, Violation
from firewalker.runtime.grpc.status import STATUS_OF_KIND, Outcome, encode_message, internal, outcome_of

CODES = {
    "INVALID": 3, "UNAUTHENTICATED": 16, "FORBIDDEN": 7, "NOT_FOUND": 5, "ALREADY_EXISTS": 6, "PRECONDITION": 9,
    "OUT_OF_RANGE": 11, "CONFLICT": 10, "EXHAUSTED": 8, "UNAVAILABLE": 14, "TIMED_OUT": 4, "UNSUPPORTED": 12,
}  # fmt: skip


def details(outcome: Outcome) -> tuple[StatusMessage, list[Any]]:
    raw = dict(outcome.headers)[b"grpc-status-details-bin"]
    status = StatusMessage.FromString(b64decode(raw + b"=" * (-len(raw) % 4)))
    found = []
    for packed in status.details:
        for kind in (ErrorInfo, BadRequest, RetryInfo):
            message = kind()
            if packed.Unpack(message):
                found.append(message)
    return status, found


@pytest.mark.requirement("NET-04")
@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_fault_has_its_status(kind: Kind) -> None:
    class Some(Fault):
        message = "Some."
        reason = "SOME"

    Some.kind = kind
    outcome = outcome_of(Some())
    assert STATUS_OF_KIND[kind].value == CODES[kind.name] == outcome.status.value
    assert dict(outcome.headers)[b"grpc-status"] == str(CODES[kind.name]).encode()
    status, (info,) = details(outcome)
    assert (status.code, status.message) == (CODES[kind.name], "Some.")
    assert (info.reason, info.domain) == ("SOME", "firewalker")


def test_every_violation_and_the_metadata_are_told() -> None:
    fault = InvalidRequest(
        violations=[Violation("a", "is required", "REQUIRED"), Violation("b[1].c", "must be 지수")], metadata={"k": "v"}
    )
    _, (info, bad) = details(outcome_of(fault))
    assert dict(info.metadata) == {"k": "v"}
    assert [(v.field, v.description, v.reason) for v in bad.field_violations] == [
        ("a", "is required", "REQUIRED"),
        ("b[1].c", "must be 지수", "INVALID"),
    ]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ([], "The request is malformed."),
        (["time_zone"], "time_zone: is required"),
        (["email", "password", "nickname"], "email: is required (and 2 more)"),
    ],
)
def test_a_malformed_request_is_told_by_its_first_field(fields: list[str], told: str) -> None:
    outcome = outcome_of(InvalidRequest(violations=[Violation(field, "is required", "REQUIRED") for field in fields]))
    assert dict(outcome.headers)[b"grpc-message"] == encode_message(told)
    assert details(outcome)[0].message == told


def test_so_many_violations_that_clients_would_choke_are_cut() -> None:
    fault = InvalidRequest(violations=[Violation(f"readings[{n}].date", "is required") for n in range(1000)])
    outcome = outcome_of(fault)
    assert sum(len(name) + len(value) + 32 for name, value in outcome.headers) < 8192
    _, (_, bad) = details(outcome)
    assert 50 < len(bad.field_violations) < 1000


def test_a_delay_is_told() -> None:
    _, (_, retry) = details(outcome_of(Overloaded(retry_after=timedelta(milliseconds=1500))))
    assert retry.retry_delay.ToTimedelta() == timedelta(milliseconds=1500)


def test_particulars_do_not_stick_to_a_class_of_faults() -> None:
    outcome_of(Contention(metadata={"a": "b"}))
    _, (info,) = details(outcome_of(Contention()))
    assert not info.metadata


def test_a_bug_tells_nothing_but_the_request_id() -> None:
    headers = dict(internal("abc-1").headers)
    assert headers[b"grpc-status"] == b"13"
    assert headers[b"grpc-message"] == b"internal error; request id abc-1"
    assert b"grpc-status-details-bin" not in headers


def test_messages_are_percent_encoded() -> None:
    assert encode_message("50% ü\n") == b"50%25 %C3%BC%0A"
