"""What the phones would show: a later message with the tag of an earlier one takes its place."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_SHOWN = 1_000
"""The oldest goes first."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One notification on one device's screen."""

    device: str
    """The first digits of its registration's hash."""
    platform: str
    title: str
    body: str
    tag: str
    time: float
    times: int
    """How often a message with this tag came."""
    data: Mapping[str, str]


class Screen:
    """All screens together, the latest last."""

    def __init__(self) -> None:
        self._shown: OrderedDict[tuple[str, str], Shown] = OrderedDict()

    @property
    def shown(self) -> list[Shown]:
        """What is on them."""
        return list(self._shown.values())

    def show(self, device: str, message: Mapping[str, Any], at: float) -> None:
        """*message* has reached *device*."""
        android, apns, web = (message.get(name, {}) for name in ("android", "apns", "webpush"))
        alert = apns.get("payload", {}).get("aps", {}).get("alert", {})
        common = message.get("notification", {})
        native = (
            android.get("notification")
            or (alert if isinstance(alert, dict) else {"body": alert})
            or web.get("notification", {})
        )
        words = {**common, **native}
        if not words:
            return  # for the app alone
        platform = next((name for name, part in (("android", android), ("ios", apns), ("web", web)) if part), "any")
        tag = str(words.get("tag") or apns.get("headers", {}).get("apns-collapse-id") or f"at {at}")
        before = self._shown.pop((device, tag), None)
        self._shown[device, tag] = Shown(
            device, platform, str(words.get("title", "")), str(words.get("body", "")), tag, at,
            1 if before is None else before.times + 1, message.get("data", {}),
        )  # fmt: skip
        if len(self._shown) > MOST_SHOWN:
            self._shown.popitem(last=False)

    def clear(self) -> None:
        """Wipe them."""
        self._shown.clear()
