"""The page of reasons, the faults of the code and the comments of the protos tell the same."""

import re
from pathlib import Path

from firewalker.cli.reasons import faults, page, transcoder_reasons
from transcoder.errors import Reason

ROOT = Path(__file__).resolve().parents[2]
PROTOS = sorted((ROOT / "proto" / "firewalker").rglob("*.proto"))

OF_EVERY_CALL = {
    "ACCESS_TOKEN_INVALID",
    "ANSWER_TOO_LARGE",
    "COMPRESSION_UNSUPPORTED",
    "CONTENTION",
    "DATABASE_UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "MALFORMED_MESSAGE",
    "MESSAGE_TOO_LARGE",
    "METHOD_NOT_FOUND",
    "RATE_EXCEEDED",
    "SERVICE_CREDENTIAL_INVALID",
    "SERVICE_UNAVAILABLE",
    "SERVICE_UNKNOWN",
    "SESSION_STATE_UNKNOWN",
    "STREAM_STALLED",
    "STREAM_TOO_LONG",
    "STREAM_TOO_OLD",
}
"""Any method may answer with these; no comment repeats them."""

_REASON = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b")


def _comments(proto: Path) -> str:
    return "\n".join(line for line in proto.read_text().splitlines() if line.lstrip().startswith("//"))


def test_the_page_is_fresh() -> None:
    assert (ROOT / "firewalker" / "gen" / "reasons.md").read_text() == page()


def test_the_page_has_every_reason_of_the_transcoder() -> None:
    assert [reason for reason, _ in transcoder_reasons()] == [reason.value for reason in Reason]


def test_reasons_are_unique_and_well_formed() -> None:
    # Two services may refuse for the same reason, if it means the same to a client.
    reasons = {fault.reason for fault in faults()}
    assert len(reasons) == len({(fault.reason, fault.kind) for fault in faults()})
    of_services = {(fault.reason, fault.__module__) for fault in faults()}
    assert len(of_services) == len(list(faults()))
    assert all(re.fullmatch(r"[A-Z]+(_[A-Z]+)*", reason) for reason in reasons)


def test_every_reason_stands_in_the_comment_of_an_rpc() -> None:
    told = {reason for proto in PROTOS for reason in re.findall(r"\b[A-Z]+(?:_[A-Z]+)*\b", _comments(proto))}
    assert {fault.reason for fault in faults()} - OF_EVERY_CALL - told == set()


def test_every_fault_that_a_comment_promises_exists() -> None:
    promised = {
        reason
        for proto in PROTOS
        for block in re.findall(r"Faults:((?:.*\n\s*//)*.*)", proto.read_text())
        for reason in _REASON.findall(block)
    }
    assert promised - {fault.reason for fault in faults()} == set()
