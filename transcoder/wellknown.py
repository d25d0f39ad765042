"""The well-known types that JSON writes in a form of their own: instants, spans, masks and wrappers.

``Any``, ``Struct``, ``Value`` and ``ListValue`` hold further values and live with the readers and writers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from google.protobuf.message import Message

from transcoder.scalars import Refusal

TIMESTAMP: Final = "google.protobuf.Timestamp"
DURATION: Final = "google.protobuf.Duration"
FIELD_MASK: Final = "google.protobuf.FieldMask"
ANY: Final = "google.protobuf.Any"
STRUCT: Final = "google.protobuf.Struct"
VALUE: Final = "google.protobuf.Value"
LIST_VALUE: Final = "google.protobuf.ListValue"
NULL_VALUE: Final = "google.protobuf.NullValue"
HTTP_BODY: Final = "google.api.HttpBody"

WRAPPERS: Final = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)
TEXTUAL: Final = frozenset({TIMESTAMP, DURATION, FIELD_MASK})
"""Messages that JSON writes as a string."""

_TIMESTAMP: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})", re.ASCII)
_DURATION: Final = re.compile(r"-?\d{1,12}(?:\.\d{1,9})?s", re.ASCII)
_MASK: Final = re.compile(r"\*|(?:[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*(?:,(?!$)|$))*", re.ASCII)
"""Paths, or one star, which AIP-134 has for the whole resource."""
_UPPER: Final = re.compile(r"[A-Z]")


def _read_timestamp(message: Message, value: Any) -> None:
    _from_json_string(message, value, _TIMESTAMP, "an RFC 3339 instant is wanted, like 2026-01-31T09:30:00Z")


def _read_duration(message: Message, value: Any) -> None:
    _from_json_string(message, value, _DURATION, "a duration in seconds is wanted, like 1.5s")


def _from_json_string(message: Any, value: Any, form: re.Pattern[str], wanted: str) -> None:
    if type(value) is not str or not form.fullmatch(value):
        raise Refusal(wanted)
    try:
        message.FromJsonString(value)
    except (ValueError, OverflowError):
        raise Refusal(wanted) from None


def _read_mask(message: Any, value: Any) -> None:
    if type(value) is not str or "_" in value or not _MASK.fullmatch(value):
        raise Refusal("a field mask is wanted, like title,author.name")
    read_mask_text(message, value)


def read_mask_text(message: Any, text: str) -> None:
    """A mask from a query string, where both camelCase and snake_case are read."""
    if not _MASK.fullmatch(text):
        raise Refusal("a field mask is wanted, like title,author.name")
    paths = text.split(",") if text else []
    message.paths.extend(_UPPER.sub(lambda found: "_" + found[0].lower(), path) for path in paths)


READERS: Final[dict[str, Callable[[Message, Any], None]]] = {
    TIMESTAMP: _read_timestamp,
    DURATION: _read_duration,
    FIELD_MASK: _read_mask,
}


def write_textual(message: Any) -> str:
    """JSON of a message in :data:`TEXTUAL`.

    Raises:
        ValueError: The message holds an instant or a span that JSON cannot write.
    """
    return str(message.ToJsonString())
