"""Preferences as messages, and what a message with a mask changes of them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from firewalker.kernel.faults import InvalidRequest, Violation
from firewalker.notification.domain.notification import Type
from firewalker.notification.domain.preferences import Channel, Locale, Preferences, PushText
from firewalker.notification.domain.quiet_hours import QuietHours, clock_time, parse_clock_time
from firewalker.runtime.grpc.messages import message_class

_Preferences = message_class("firewalker.notification.v1.Preferences")

_FIELDS: Final[Mapping[str, Type]] = {f"channels.{kind.value.lower()}": kind for kind in Type}
_QUIET: Final = ("quiet_hours.start", "quiet_hours.end")
_LEAVES: Final = (*_FIELDS, *_QUIET, "locale", "push_text")
_WHOLE: Final[Mapping[str, tuple[str, ...]]] = {"channels": tuple(_FIELDS), "quiet_hours": _QUIET}
"""Paths that stand for all below them."""

Change = Callable[[Preferences], Preferences]


def fill_preferences(message: Any, preferences: Preferences, locale: Locale) -> None:
    """Write *preferences* out in full; *locale* is what they are written to in, chosen or not."""
    for path, kind in _FIELDS.items():
        channel = preferences.channel(kind)
        setattr(message.channels, path.partition(".")[2], _Preferences.Channel.Value(channel.value))
    message.quiet_hours.start = clock_time(preferences.quiet_hours.start)
    message.quiet_hours.end = clock_time(preferences.quiet_hours.end)
    message.locale = locale.value
    message.push_text = _Preferences.PushText.Value(preferences.push_text.value)


def change_of(message: Any, mask: Iterable[str]) -> Change:
    """What *message* changes of a user's preferences, as far as *mask* says.

    Raises:
        InvalidRequest: With every violation.
    """
    paths, violations = _paths(message, list(mask))
    channels: dict[Type, Channel] = {}
    minutes: dict[str, int] = {}
    chosen: dict[str, Any] = {}
    for path in paths:
        field = f"preferences.{path}"
        try:
            if path in _FIELDS:
                channels[_FIELDS[path]] = _channel(_value(message, path), _FIELDS[path])
            elif path in _QUIET:
                minutes[path.partition(".")[2]] = _minutes(_value(message, path), path)
            elif path == "locale":
                chosen[path] = _locale(message.locale)
            else:
                chosen[path] = _push_text(message.push_text)
        except ValueError as error:
            violations.append(Violation(field, str(error)))
    if violations:
        raise InvalidRequest(violations=violations)

    def change(before: Preferences) -> Preferences:
        kept = {
            kind: channel for kind, channel in {**before.channels, **channels}.items() if channel is not Channel.PUSH
        }
        quiet = replace(before.quiet_hours, **minutes)
        return replace(before, channels=kept, quiet_hours=quiet, **chosen)

    return change


def _paths(message: Any, mask: list[str]) -> tuple[list[str], list[Violation]]:
    """The leaves that are to be changed; and what is wrong with the mask."""
    if not mask:
        return [path for path in _LEAVES if _value(message, path)], []
    if mask == ["*"]:
        return list(_LEAVES), []
    paths: list[str] = []
    violations: list[Violation] = []
    for position, path in enumerate(mask):
        if path not in _WHOLE and path not in _LEAVES:
            violations.append(Violation(f"update_mask.paths[{position}]", "is no field of the preferences"))
        paths += _WHOLE.get(path, (path,) if path in _LEAVES else ())
    return list(dict.fromkeys(paths)), violations


def _value(message: Any, path: str) -> Any:
    parent, _, name = path.rpartition(".")
    return getattr(getattr(message, parent) if parent else message, name)


def _channel(number: int, kind: Type) -> Channel:
    channel = {0: Channel.PUSH, 1: Channel.PUSH, 2: Channel.INBOX, 3: Channel.OFF}.get(number)
    if channel is None:
        raise ValueError("must be PUSH, INBOX or OFF")
    if kind is Type.SECURITY and channel is Channel.OFF:
        raise ValueError("cannot be OFF")
    return channel


def _push_text(number: int) -> PushText:
    found = {0: PushText.FULL, 1: PushText.FULL, 2: PushText.BARE}.get(number)
    if found is None:
        raise ValueError("must be FULL or BARE")
    return found


def _minutes(text: str, path: str) -> int:
    if not text:
        default = QuietHours()
        return default.start if path.endswith("start") else default.end
    found = parse_clock_time(text)
    if found is None:
        raise ValueError("must be a time, HH:MM")
    return found


def _locale(text: str) -> Locale | None:
    if not text:
        return None
    try:
        return Locale(text)
    except ValueError:
        raise ValueError("must be ko or en") from None
