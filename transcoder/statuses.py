"""Statuses that services answer with, re-rendered as ``google.rpc.Status`` JSON.

The refusals of the transcoder itself live in :mod:`transcoder.errors`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from transcoder.errors import HTTP_STATUS, Code, Headers, retry_after, status_body
from transcoder.fieldpaths import json_path
from transcoder.jsonwriter import JsonWriter
from transcoder.schema import Schema

_BAD_REQUEST: Final = error_details_pb2.BadRequest.DESCRIPTOR.full_name
_RETRY_INFO: Final = error_details_pb2.RetryInfo.DESCRIPTOR.full_name
_NANOS: Final = 1_000_000_000


class Fault(Exception):
    """A gRPC status other than OK, as a service sent it. *details* is the value of ``grpc-status-details-bin``."""

    def __init__(self, code: Code, message: str, details: bytes = b"") -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.details = details


@dataclass(frozen=True, slots=True)
class Rendered:
    """A fault as HTTP."""

    http: int
    headers: Headers
    body: bytes


class FaultRenderer:
    """Renders faults with the types of one schema; a detail it cannot read never fails the whole error."""

    def __init__(self, schema: Schema) -> None:
        field = status_pb2.Status.DESCRIPTOR.fields_by_name["details"]
        self._any = JsonWriter(schema, lenient=True).message(field.message_type)

    def render(
        self, fault: Fault, request: Descriptor | None = None, as_written: Callable[[str], str] = str
    ) -> Rendered:
        """Status, headers and body. ``Retry-After`` where there is RetryInfo.

        Services name fields of *request* as its proto does; over HTTP they are named as its JSON does, and then
        *as_written*. So is the one that the message begins with.
        """
        details: list[dict[str, Any]] = []
        headers: Headers = []
        message = fault.message
        for packed in packed_details(fault.details):
            detail = self._any(packed)
            if packed.type_url.rpartition("/")[2] == _BAD_REQUEST:
                for violation in detail.get("fieldViolations", ()):
                    field = violation["field"]
                    violation["field"] = as_written(json_path(field, request))
                    if field and message.startswith(f"{field}: "):
                        message = violation["field"] + message[len(field) :]
            details.append(detail)
            wait_s = _retry_delay_s(packed)
            if wait_s is not None:
                headers.append(retry_after(wait_s))
        return Rendered(HTTP_STATUS[fault.code], headers[:1], status_body(fault.code, message, details))


def packed_details(encoded: bytes) -> list[Any]:
    """The ``Any`` messages in a ``grpc-status-details-bin``; none if it cannot be read."""
    if not encoded:
        return []
    bare = encoded.rstrip(b"=")
    try:
        data = base64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True)
        return list(status_pb2.Status.FromString(data).details)
    except (binascii.Error, DecodeError):
        return []


def _retry_delay_s(packed: Any) -> float | None:
    if packed.type_url.rpartition("/")[2] != _RETRY_INFO:
        return None
    try:
        delay = error_details_pb2.RetryInfo.FromString(packed.value).retry_delay
    except DecodeError:
        return None
    return float(delay.seconds) + float(delay.nanos) / _NANOS
