"""Strict percent-decoding: a malformed escape or invalid UTF-8 is an error, never a replacement character."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

_MALFORMED: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_SLASH: Final = re.compile(rb"%2[Ff]")


class MalformedPercent(ValueError):
    """An escape that is not two hexadecimal digits, or bytes that are not UTF-8."""


def decode_segment(raw: bytes) -> str:
    """Decode everything in *raw*."""
    if b"%" in raw:
        if _MALFORMED.search(raw):
            raise MalformedPercent("malformed percent-encoding")
        raw = unquote_to_bytes(raw)
    return _utf8(raw)


def decode_segments(raw: bytes) -> str:
    """Decode everything but ``%2F``, which stays as it came so that it cannot be taken for a separator."""
    if b"%" not in raw:
        return _utf8(raw)
    if _MALFORMED.search(raw):
        raise MalformedPercent("malformed percent-encoding")
    kept = _SLASH.findall(raw)
    parts = [unquote_to_bytes(part) for part in _SLASH.split(raw)]
    joined = parts[0] + b"".join(slash + part for slash, part in zip(kept, parts[1:], strict=True))
    return _utf8(joined)


def decode_form(raw: bytes) -> str:
    """Decode a name or value of a query string, where ``+`` is a space."""
    return decode_segment(raw.replace(b"+", b" "))


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedPercent("not valid UTF-8") from error
