"""The one way of a fault onto the wire: gRPC status, `google.rpc.Status` with its details, as response headers."""

from base64 import b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status as StatusMessage
from grpclib.const import Status

from firewalker.kernel.faults import Fault, Kind

DOMAIN = "firewalker"
"""The domain of every `ErrorInfo` (contract)."""

STATUS_OF_KIND = {
    Kind.INVALID: Status.INVALID_ARGUMENT,
    Kind.UNAUTHENTICATED: Status.UNAUTHENTICATED,
    Kind.FORBIDDEN: Status.PERMISSION_DENIED,
    Kind.NOT_FOUND: Status.NOT_FOUND,
    Kind.ALREADY_EXISTS: Status.ALREADY_EXISTS,
    Kind.PRECONDITION: Status.FAILED_PRECONDITION,
    Kind.OUT_OF_RANGE: Status.OUT_OF_RANGE,
    Kind.CONFLICT: Status.ABORTED,
    Kind.EXHAUSTED: Status.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: Status.UNAVAILABLE,
    Kind.TIMED_OUT: Status.DEADLINE_EXCEEDED,
    Kind.UNSUPPORTED: Status.UNIMPLEMENTED,
}

_MAX_DETAILS_BYTES = 4096
"""Field violations past this are left out: clients cap the metadata they take (grpcio at 8 KiB)."""

_PRINTABLE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended."""

    status: Status
    reason: str
    """The fault's reason; empty for none."""
    headers: tuple[tuple[bytes, bytes], ...]
    """`grpc-status` and what goes with it, as trailers."""


OK = Outcome(Status.OK, "", ((b"grpc-status", b"0"),))
CANCELLED = Outcome(Status.CANCELLED, "", ((b"grpc-status", b"1"),))
"""The client went away; nobody reads this, but logs and metrics do."""
_PLAIN: dict[type[Fault], Outcome] = {}


def outcome_of(fault: Fault) -> Outcome:
    """The status, message and details that tell a client of *fault*."""
    if fault.violations or fault.retry_after is not None or fault.metadata:
        return _outcome(fault)
    # Without particulars all faults of a class read the same.
    known = _PLAIN.get(type(fault))
    if known is None:
        known = _PLAIN[type(fault)] = _outcome(fault)
    return known


def internal(request_id: str) -> Outcome:
    """What a client learns of a bug: that there is one, and under which request id the log tells more."""
    status = Status.INTERNAL
    return _render(status, "INTERNAL", f"internal error; request id {request_id}", [])


def encode_message(text: str) -> bytes:
    """Percent-encode a status message as the gRPC protocol asks for."""
    return quote(text, safe=_PRINTABLE).encode("ascii")


def _outcome(fault: Fault) -> Outcome:
    details: list[Any] = [ErrorInfo(reason=fault.reason, domain=DOMAIN, metadata=fault.metadata)]
    if fault.violations:
        bad = BadRequest()
        for violation in fault.violations:
            bad.field_violations.add(field=violation.field, description=violation.description, reason=violation.reason)
            if bad.ByteSize() > _MAX_DETAILS_BYTES and len(bad.field_violations) > 1:
                del bad.field_violations[-1]
                break
        details.append(bad)
    if fault.retry_after is not None:
        delay = Duration()
        delay.FromTimedelta(fault.retry_after)
        details.append(RetryInfo(retry_delay=delay))
    return _render(STATUS_OF_KIND[fault.kind], fault.reason, fault.told(), details)


def _render(status: Status, reason: str, text: str, details: list[Any]) -> Outcome:
    message = StatusMessage(code=status.value, message=text)
    for detail in details:
        message.details.add().Pack(detail)
    headers = [(b"grpc-status", str(status.value).encode()), (b"grpc-message", encode_message(text))]
    if details:
        headers.append((b"grpc-status-details-bin", b64encode(message.SerializeToString()).rstrip(b"=")))
    return Outcome(status, reason, tuple(headers))
