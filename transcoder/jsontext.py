"""JSON text to values and back: strict RFC 8259 in, compact UTF-8 out. What the values mean lives in the readers."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

from transcoder.errors import Code, Problem, Reason, Violation, clip

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
"""A string or a bracket; possessive, and only used on text that has already been parsed."""

_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class _Repeated(ValueError):
    """An object that has one key twice."""


def loads(data: bytes, max_depth: int) -> Any:
    """Decode a JSON text.

    Refused are: invalid UTF-8, a byte-order mark, one key twice in an object, ``NaN`` and ``Infinity``, and arrays and
    objects nested deeper than *max_depth*.

    Raises:
        Problem: 400 ``MALFORMED_JSON``.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise _malformed("not valid UTF-8") from None
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except _Repeated as error:
        raise _malformed(str(error)) from None
    except ValueError:
        raise _malformed("a number has too many digits") from None
    except RecursionError:
        raise _too_deep(max_depth) from None
    if text.count("[") + text.count("{") > max_depth and _depth(text) > max_depth:
        raise _too_deep(max_depth)
    return value


def dumps(value: Any) -> bytes:
    """Compact UTF-8 without line breaks, so that one value is one line of SSE or NDJSON."""
    return _encode(value).encode()


def _depth(text: str) -> int:
    depth = deepest = 0
    for token in _TOKEN.finditer(text):
        bracket = token[0]
        if bracket in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in "]}":
            depth -= 1
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Repeated(f"the key {clip(name)!r} is there twice")
            seen.add(name)
    return found


def _constant(name: str) -> NoReturn:
    raise _Repeated(f"{name} is not JSON; as a number it is written in quotes")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def _malformed(why: str) -> Problem:
    return Problem(
        Code.INVALID_ARGUMENT,
        Reason.MALFORMED_JSON,
        f"The body is not acceptable JSON: {why}.",
        violations=[Violation("body", why)],
    )


def _too_deep(max_depth: int) -> Problem:
    return _malformed(f"nested deeper than {max_depth} levels")
