"""What FCM itself does not take of a well-formed message: no target, too much, names and values that are reserved."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from firewalker.emulator import bodies
from firewalker.emulator.bodies import Reply

LARGEST: Final = 4_096
LARGEST_TO_TOPIC: Final = 2_048
LONGEST_TTL_S: Final = 2_419_200

_RESERVED: Final = re.compile(r"from$|message_type$|google|gcm")
_LABEL: Final = re.compile(r"[a-zA-Z0-9\-_.~%]{1,50}")
_TOPIC: Final = re.compile(r"(/topics/)?[a-zA-Z0-9\-_.~%]+")
_COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}")


def complaint(message: Mapping[str, Any]) -> Reply | None:
    """The first thing that is wrong with *message*, whose names are snake_case; None if nothing."""
    targets = [name for name in ("token", "fid", "topic", "condition") if message.get(name)]
    if not targets:
        return bodies.invalid_by_fcm("Recipient of the message is not set.", "message")
    if len(targets) > 1:
        return bodies.invalid_by_fcm("Only one target of the message may be set.", "message")
    largest = LARGEST_TO_TOPIC if targets[0] in {"topic", "condition"} else LARGEST
    payload = {name: value for name, value in message.items() if name not in targets}
    if len(json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()) > largest:
        return bodies.too_big()
    return _names(message) or _values(message)


def _names(message: Mapping[str, Any]) -> Reply | None:
    for path, data in (("message", message), ("message.android", message.get("android", {}))):
        for name in data.get("data", {}):
            if not name or _RESERVED.match(name):
                return bodies.invalid_by_fcm(f"Invalid data payload key: {name}", f"{path}.data")
    if "topic" in message and not _TOPIC.fullmatch(message["topic"]):
        return bodies.invalid_by_fcm("Malformed topic name", "message.topic")
    return None


def _values(message: Mapping[str, Any]) -> Reply | None:
    android, web = message.get("android", {}), message.get("webpush", {})
    ttl = android.get("ttl")
    if ttl is not None and not 0 <= float(ttl[:-1]) <= LONGEST_TTL_S:
        return bodies.invalid_by_fcm("Invalid ttl: must be between 0 and 2419200 seconds", "message.android.ttl")
    for path, part in (
        ("message", message),
        *((f"message.{n}", message.get(n, {})) for n in ("android", "apns", "webpush")),
    ):
        label = part.get("fcm_options", {}).get("analytics_label")
        if label is not None and not _LABEL.fullmatch(label):
            return bodies.invalid_by_fcm("Invalid analytics label", f"{path}.fcm_options.analytics_label")
    color = android.get("notification", {}).get("color")
    if color is not None and not _COLOR.fullmatch(color):
        return bodies.invalid_by_fcm("Invalid color: must be #rrggbb", "message.android.notification.color")
    link = web.get("fcm_options", {}).get("link")
    if link is not None and not link.startswith("https://"):
        return bodies.invalid_by_fcm("Link must be https", "message.webpush.fcm_options.link")
    if len(message.get("apns", {}).get("headers", {}).get("apns-collapse-id", "").encode()) > 64:  # noqa: PLR2004 - Apple's
        return bodies.invalid_by_fcm("Invalid apns-collapse-id", "message.apns.headers")
    return None
