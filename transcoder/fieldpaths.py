"""Paths to fields, as services write them in error details: proto names become the JSON names that HTTP clients know."""

from __future__ import annotations

import re
from typing import Final

from google.protobuf.descriptor import Descriptor

from transcoder import wellknown
from transcoder.schema import map_fields

_STEP: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)((?:\[[^\]]*\])*)(?:\.|$)")
"""A name, what selects elements of it (``[3]``, ``[some_key]``), and a dot or the end."""

_UNDERSCORE: Final = re.compile(r"_([a-zA-Z0-9]?)")
_ANY_NAMES: Final = frozenset({wellknown.ANY, wellknown.STRUCT, wellknown.VALUE, wellknown.LIST_VALUE})
"""Messages below which names are the client's own."""


def json_path(path: str, root: Descriptor | None) -> str:
    """*path* (``readings[3].device_id``) in JSON names (``readings[3].deviceId``).

    Names that *root* and its fields do not explain are put in lowerCamelCase; what is no path stays as it is.
    """
    steps: list[str] = []
    descriptor = root
    at = 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            return path
        name, selector = step[1], step[2]
        field = None if descriptor is None else descriptor.fields_by_name.get(name)
        steps.append((_camel(name) if field is None else field.json_name) + selector)
        at = step.end()
        descriptor = None
        if field is not None:
            entry = map_fields(field)
            descriptor = (field if entry is None else entry[1]).message_type
        if descriptor is not None and descriptor.full_name in _ANY_NAMES:
            return ".".join([*steps, path[at:]]) if at < len(path) else ".".join(steps)
    return ".".join(steps)


def _camel(name: str) -> str:
    return _UNDERSCORE.sub(lambda found: found[1].upper(), name)
