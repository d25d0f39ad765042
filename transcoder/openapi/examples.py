"""Examples for requests and answers, made from their schemas; readers copy them, tests send them."""

from __future__ import annotations

import re
from typing import Any, Final

from transcoder.openapi.schemas import Json

_OF_FORMAT: Final[dict[str, Any]] = {
    "date-time": "2026-11-26T09:30:00Z",
    "date": "2026-11-26",
    "int64": "1000",
    "uint64": "1000",
    "password": "correct horse battery staple",
}
_ID: Final = "019abf4e-6f00-7c3a-9d1e-2b5a64c0f1d2"
_OF_NAME: Final = {
    "id": _ID,
    "email": "mina@example.com",
    "url": "https://example.com/picture.png",
    "timezone": "Asia/Seoul",
    "token": "opaque-token",
}
"""By the end of a field's name."""

_NAMED: Final = re.compile(r"such as `([^`]+)`")
_MOST_LEVELS: Final = 6


def example(schema: Json, components: dict[str, Json], name: str = "", level: int = 0) -> Any:
    """A value of *schema*; *name* is that of its field."""
    reference = schema.get("$ref")
    if reference is not None:
        schema = components[reference.rpartition("/")[2]]
    if "anyOf" in schema:
        return example(schema["anyOf"][0], components, name, level)
    kind = schema.get("type")
    if kind == "object":
        return _object(schema, components, level)
    if kind == "array":
        return [] if level >= _MOST_LEVELS else [example(schema["items"], components, name, level + 1)]
    if kind == "string":
        return _text(schema, name)
    return {"boolean": True, "integer": max(schema.get("minimum", 1), 1), "number": 1.5}.get(str(kind))


def _object(schema: Json, components: dict[str, Json], level: int) -> Json:
    taken: Json = {}
    required = schema.get("required", [])
    clashes = [set(pair["required"]) for pair in schema.get("not", {}).get("anyOf", [])]
    for name, inner in schema.get("properties", {}).items():
        if name not in required and (level >= _MOST_LEVELS or any(clash <= {*taken, name} for clash in clashes)):
            continue
        taken[name] = example(inner, components, name, level + 1)
    return taken


def _text(schema: Json, name: str) -> str:
    told = _NAMED.search(schema.get("description", ""))
    if "enum" in schema:
        return str(schema["enum"][min(1, len(schema["enum"]) - 1)])
    if schema.get("format") in _OF_FORMAT and "token" not in name.lower():
        return str(_OF_FORMAT[schema["format"]])
    if "contentEncoding" in schema or "pattern" in schema:
        return str(schema.get("examples", [""])[0])
    if told:
        return told[1]
    lowered = name.lower()
    return next((text for end, text in _OF_NAME.items() if lowered.endswith(end)), lowered or "text")
