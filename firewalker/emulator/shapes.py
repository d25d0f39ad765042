"""What an FCM message may hold, field by field, and how Google's JSON parser complains."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from firewalker.emulator.bodies import Reply, invalid


@dataclass(frozen=True, slots=True)
class Shape:
    """The type of a field."""

    name: str
    """As in complaints: TYPE_STRING."""
    fields: Mapping[str, "Shape"] = field(default_factory=dict)
    """Of a message, by snake_case name; empty for everything else."""
    of: "Shape | None" = None
    """Of a list, or of a map's values."""
    values: frozenset[str] = frozenset()
    """Of an enum."""


STRING: Final = Shape("TYPE_STRING")
BOOL: Final = Shape("TYPE_BOOL")
INT: Final = Shape("TYPE_INT32")
NUMBER: Final = Shape("TYPE_FLOAT")
DURATION: Final = Shape("type.googleapis.com/google.protobuf.Duration")
STRUCT: Final = Shape("type.googleapis.com/google.protobuf.Struct")
STRINGS: Final = Shape("list", of=STRING)
STRING_MAP: Final = Shape("map", of=STRING)


def message(**fields: Shape) -> Shape:
    """A message of these fields."""
    return Shape("message", fields)


def enum(*values: str) -> Shape:
    """An enum of these values."""
    return Shape("TYPE_ENUM", values=frozenset(values))


_LABEL = message(analytics_label=STRING)
_COLOR = message(red=NUMBER, green=NUMBER, blue=NUMBER, alpha=NUMBER)
_ANDROID_NOTIFICATION = message(
    **dict.fromkeys(
        ("title", "body", "icon", "color", "sound", "tag", "click_action", "body_loc_key", "title_loc_key", "channel_id",
         "image", "ticker", "event_time"), STRING,
    ),
    **dict.fromkeys(
        ("sticky", "local_only", "default_sound", "default_vibrate_timings", "default_light_settings"), BOOL
    ),
    body_loc_args=STRINGS, title_loc_args=STRINGS, vibrate_timings=Shape("list", of=DURATION), notification_count=INT,
    notification_priority=enum(
        "PRIORITY_UNSPECIFIED", "PRIORITY_MIN", "PRIORITY_LOW", "PRIORITY_DEFAULT", "PRIORITY_HIGH", "PRIORITY_MAX"
    ),
    visibility=enum("VISIBILITY_UNSPECIFIED", "PRIVATE", "PUBLIC", "SECRET"),
    proxy=enum("PROXY_UNSPECIFIED", "ALLOW", "DENY", "IF_PRIORITY_LOWERED"),
    light_settings=message(color=_COLOR, light_on_duration=DURATION, light_off_duration=DURATION),
)  # fmt: skip

MESSAGE: Final = message(
    name=STRING, token=STRING, fid=STRING, topic=STRING, condition=STRING, data=STRING_MAP,
    notification=message(title=STRING, body=STRING, image=STRING),
    android=message(
        collapse_key=STRING, priority=enum("NORMAL", "HIGH"), ttl=DURATION, restricted_package_name=STRING,
        data=STRING_MAP, notification=_ANDROID_NOTIFICATION, fcm_options=_LABEL, direct_boot_ok=BOOL,
        bandwidth_constrained_ok=BOOL, restricted_satellite_ok=BOOL,
    ),
    apns=message(
        headers=STRING_MAP, payload=STRUCT, fcm_options=message(analytics_label=STRING, image=STRING),
        live_activity_token=STRING,
    ),
    webpush=message(
        headers=STRING_MAP, data=STRING_MAP, notification=STRUCT, fcm_options=message(link=STRING, analytics_label=STRING)
    ),
    fcm_options=_LABEL,
)  # fmt: skip

REQUEST: Final = message(message=MESSAGE, validate_only=BOOL)

_DURATION: Final = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,9})?s")
_WHOLE: Final = re.compile(r"-?[0-9]{1,10}")


def normal(value: Mapping[str, Any]) -> tuple[dict[str, Any], Reply | None]:
    """The request with snake_case names, and the first complaint about it, if any."""
    try:
        return _message(value, REQUEST, ""), None
    except _WrongError as wrong:
        return {}, invalid(str(wrong), wrong.field)


class _WrongError(Exception):
    def __init__(self, text: str, path: str) -> None:
        super().__init__(text)
        self.field = path


def _message(value: object, shape: Shape, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _WrongError(f"Invalid value at '{path}' (message), {_shown(value)}", path)
    made = {}
    for name, inner in value.items():
        snake = re.sub(r"(?<!^)([A-Z])", lambda found: f"_{found[1].lower()}", name)
        known = shape.fields.get(name) or shape.fields.get(snake)
        if known is None:
            at = f" at '{path}'" if path else ""
            raise _WrongError(f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.', path)
        if inner is not None:
            key = name if name in shape.fields else snake
            made[key] = _value(inner, known, f"{path}.{key}" if path else key)
    return made


def _value(value: Any, shape: Shape, path: str) -> Any:
    if shape.fields:
        return _message(value, shape, path)
    if shape.of is not None:
        return _many(value, shape, shape.of, path)
    if not _fits(value, shape):
        raise _WrongError(f"Invalid value at '{path}' ({shape.name}), {_shown(value)}", path)
    return value.upper() if shape.values and isinstance(value, str) else value


def _many(value: Any, shape: Shape, of: Shape, path: str) -> Any:
    if shape.name == "map":
        if not isinstance(value, dict):
            raise _WrongError(f"Invalid value at '{path}' (map), {_shown(value)}", path)
        return {name: _value(inner, of, f"{path}[{at}].value") for at, (name, inner) in enumerate(value.items())}
    if not isinstance(value, list):
        raise _WrongError(f"Invalid value at '{path}' (list), {_shown(value)}", path)
    return [_value(inner, of, f"{path}[{at}]") for at, inner in enumerate(value)]


def _fits(value: Any, shape: Shape) -> bool:
    if shape.values:
        return isinstance(value, str) and value.upper() in shape.values
    return _TESTS[shape.name](value)


def _is_int(value: Any) -> bool:
    if isinstance(value, str):
        return _WHOLE.fullmatch(value) is not None
    return isinstance(value, int) and not isinstance(value, bool)


_TESTS: Final[Mapping[str, Callable[[Any], bool]]] = {
    STRING.name: lambda value: isinstance(value, str),
    BOOL.name: lambda value: isinstance(value, bool),
    INT.name: _is_int,
    NUMBER.name: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    DURATION.name: lambda value: isinstance(value, str) and _DURATION.fullmatch(value) is not None,
    STRUCT.name: lambda value: isinstance(value, dict),
}


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()
