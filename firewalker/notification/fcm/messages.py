"""Messages as FCM takes them, one shape per platform; and whether FCM would take them, asked before anything is sent.

Every message goes to one registration: whoever has an app's configuration can subscribe to a topic, so none is used for
what concerns a person (FCM-23).
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from firewalker.notification.domain.delivery import Delivery
from firewalker.notification.domain.device import Platform, Registration
from firewalker.notification.domain.notification import KINDS, Lane

LARGEST = 3_800
"""Bytes of a message's JSON. FCM takes 4 096 and counts in its own way; this is below it however that is."""

LONGEST_TTL_S = 2_419_200
"""Four weeks (FCM documentation)."""

MAX_COLLAPSE_ID = 64
"""Bytes of an `apns-collapse-id` (Apple)."""

_RESERVED: Final = re.compile(r"from$|message_type$|google|gcm")
_LABEL: Final = re.compile(r"[a-zA-Z0-9\-_.~%]{1,50}")
_TTL: Final = re.compile(r"[0-9]{1,7}s")

_CHANNELS: Final = {Lane.SECURITY: "security", Lane.PEOPLE: "people", Lane.STANDINGS: "standings"}
"""Android notification channels that the app makes; users mute them one by one."""


def message_of(delivery: Delivery, registration: Registration, at: datetime) -> dict[str, Any]:
    """The body that sends *delivery* to *registration* at the moment *at*: what FCM keeps it for is what is left of its life."""
    content = delivery.content
    left_s = max(0, int((delivery.expire_time - at).total_seconds()))
    ttl_s = min(left_s, LONGEST_TTL_S, content.ttl_s if content.ttl_s is not None else left_s)
    data = {} if content.bare else {**content.data, "type": delivery.type.value}
    data["nid"] = str(delivery.notification_id)
    shown = {"title": content.title, "body": content.body}
    message: dict[str, Any] = {registration.target.value: registration.value, "data": data}
    match delivery.platform:
        case Platform.ANDROID:
            message["android"] = _android(delivery, shown, ttl_s)
        case Platform.IOS:
            message["apns"] = _apns(delivery, shown, int(at.timestamp()) + ttl_s)
        case Platform.WEB:
            message["webpush"] = _webpush(delivery, shown, ttl_s)
    return {"message": message}


def probe_of(registration: Registration) -> dict[str, Any]:
    """A body with which FCM only checks whether it would send."""
    return {"message": {registration.target.value: registration.value}, "validate_only": True}


def _android(delivery: Delivery, shown: Mapping[str, str], ttl_s: int) -> dict[str, Any]:
    content = delivery.content
    android: dict[str, Any] = {
        "priority": "HIGH",
        "ttl": f"{ttl_s}s",
        "notification": {
            **shown,
            "tag": content.tag,
            "channel_id": _CHANNELS[KINDS[delivery.type].lane],
            # What concerns other people is hidden on a locked screen where its owner says so.
            "visibility": "PRIVATE",
            "notification_count": content.badge,
        },
    }
    if content.collapse:
        android["collapse_key"] = content.collapse
    return android


def _apns(delivery: Delivery, shown: Mapping[str, str], expires: int) -> dict[str, Any]:
    content = delivery.content
    return {
        "headers": {
            "apns-priority": "10",
            "apns-expiration": str(expires),
            "apns-collapse-id": content.tag,
        },
        "payload": {
            "aps": {
                "alert": dict(shown),
                "badge": content.badge,
                "sound": "default",
                "thread-id": _CHANNELS[KINDS[delivery.type].lane],
            }
        },
    }


def _webpush(delivery: Delivery, shown: Mapping[str, str], ttl_s: int) -> dict[str, Any]:
    content = delivery.content
    return {
        "headers": {"TTL": str(ttl_s), "Urgency": "high"},
        "notification": {**shown, "tag": content.tag},
    }


def faults_of(body: Mapping[str, Any]) -> list[str]:
    """What FCM would not take of *body*, by field; empty if it would. As strict as FCM, or stricter (FCM-12)."""
    return list(_faults(body))


def _faults(body: Mapping[str, Any]) -> Iterator[str]:
    message = body.get("message", {})
    targets = [name for name in ("token", "fid", "topic", "condition") if message.get(name)]
    if len(targets) != 1:
        yield "message: exactly one target"
    if len(json.dumps(message, ensure_ascii=False).encode()) > LARGEST:
        yield "message: too large"
    data = message.get("data", {})
    for name, value in data.items():
        if not isinstance(value, str):
            yield f"message.data[{name}]: not a string"
        if not name or _RESERVED.match(name):
            yield f"message.data: {name} is reserved"
    yield from _platform_faults(message)


def _platform_faults(message: Mapping[str, Any]) -> Iterator[str]:
    android, apns, web = (message.get(name, {}) for name in ("android", "apns", "webpush"))
    ttl = android.get("ttl")
    if ttl is not None and (not _TTL.fullmatch(ttl) or int(ttl[:-1]) > LONGEST_TTL_S):
        yield "message.android.ttl: not between 0 and 4 weeks"
    for part in (message, android, apns, web):
        label = part.get("fcm_options", {}).get("analytics_label")
        if label is not None and not _LABEL.fullmatch(label):
            yield "fcm_options.analytics_label: malformed"
    for name, value in {**apns.get("headers", {}), **web.get("headers", {})}.items():
        if not isinstance(value, str):
            yield f"headers[{name}]: not a string"
    if len(apns.get("headers", {}).get("apns-collapse-id", "").encode()) > MAX_COLLAPSE_ID:
        yield "apns-collapse-id: too long"
    link = web.get("fcm_options", {}).get("link")
    if link is not None and not link.startswith("https://"):
        yield "message.webpush.fcm_options.link: not https"
