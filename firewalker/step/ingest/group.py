"""One group: messages that are merged together and committed at once. No I/O: what is loaded and stored is handed in and out."""

from asyncio import Future
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from firewalker.step.domain.day import SLOTS, WHOLE_DATE, UserTotal
from firewalker.step.domain.reading import Counted, Outcome
from firewalker.step.ingest.known import DeviceDay
from firewalker.step.store.days import DeviceDate, Rise, UserDate

MOST_SHAPES = 6
"""Upserts of one group at most. Each set of slots needs its own; rarer sets are widened into one that holds them all."""

REFRESH_MS = 30_000
"""How often a reading without news renews its user's last reading in live totals: every 30 s at most."""

_ACCEPTED, _LATE, _UNCHANGED = Outcome.ACCEPTED, Outcome.ACCEPTED_DAY_FINAL, Outcome.UNCHANGED
_INVALID = Outcome.INVALID_READING


class Recorded(NamedTuple):
    """What became of one message, once it is durable."""

    outcomes: Sequence[Outcome]
    """One for each reading, in order: accepted (perhaps late), unchanged, or invalid for one device too many."""
    totals: Mapping[date, int]
    """The owner's merged steps of each date that the message names."""


class Message(NamedTuple):
    """Readings of one user that wait for their commit."""

    user: bytes
    readings: Sequence[Counted]
    done: "Future[Recorded]"


class Group:
    """The merge of some messages, in their order.

    Use: construct, hand in `cold` days by `learn`, then `merge`; store `rises`; ask for the totals `wanted`.
    """

    def __init__(self, messages: Sequence[Message], now_ms: int) -> None:
        self.messages = messages
        self._now_ms = now_ms
        self._days: dict[DeviceDate, DeviceDay] = {}
        self._risen: list[DeviceDay] = []
        self._outcomes: list[list[Outcome]] = []
        self.named: dict[UserDate, bool] = {}
        """Every user's date that is named, and whether it was FINAL for all who named it."""
        self.touched: set[UserDate] = set()
        """Those of them with news."""
        self.heard: dict[UserDate, int] = {}
        """The last reading of every user's date that was named, in Unix milliseconds; late ones are left out."""
        self.cold: set[UserDate] = set()
        """Those that were read from MySQL for this group: what is remembered of their totals may be older."""

    def device_days(self) -> set[DeviceDate]:
        """The device days that the messages name."""
        named: set[DeviceDate] = set()
        for message in self.messages:
            user = message.user
            named.update({(user, reading[0], reading[1]) for reading in message.readings})
        return named

    def learn(self, days: Mapping[DeviceDate, DeviceDay], cold: Iterable[UserDate] = ()) -> None:
        """Take in what is known of the named device days; every one of `device_days` has to be told before `merge`."""
        self._days.update(days)
        self.cold.update(cold)

    def merge(self) -> None:
        """Let every message, in order, raise what it can."""
        days, heard, named = self._days, self.heard, self.named
        for message in self.messages:
            user = message.user
            outcomes: list[Outcome] = []
            day_of = device_of = device_day = None
            for day, device_id, slot, steps, recorded_ms, source, late in message.readings:
                if day is not day_of or device_id != device_of or device_day is None:
                    device_day = days[user, day, device_id]
                    day_of, device_of = day, device_id
                    if device_day.refused:
                        outcomes.append(_INVALID)
                        device_day = None
                        continue
                    user_date = (user, day)
                    named[user_date] = late and named.get(user_date, True)
                if recorded_ms > device_day.last_reading_ms:  # noqa: PLR1730 - max() costs a call, for every reading
                    device_day.last_reading_ms = recorded_ms
                if not late and recorded_ms > heard.get(user_date, 0):
                    heard[user_date] = recorded_ms
                if steps <= device_day.counts[slot] and device_day.stored:
                    outcomes.append(_UNCHANGED)
                    continue
                if not device_day.risen:
                    self._risen.append(device_day)
                    device_day.late = late
                device_day.counts[slot] = steps
                device_day.stored = True
                device_day.risen |= 1 << slot
                device_day.source = source
                device_day.late &= late  # became FINAL while the group gathered: the first of them still counts
                if device_day.merged.lift(slot, steps):
                    device_day.lifts = True
                self.touched.add(user_date)
                outcomes.append(_LATE if late else _ACCEPTED)
            self._outcomes.append(outcomes)

    def rises(self) -> Iterable[tuple[tuple[int, ...], list[Rise]]]:
        """What has to be stored: sets of slots, ascending, each with the device days that rose in some of them."""
        shapes: dict[int, list[DeviceDay]] = {}
        for device_day in self._risen:
            shapes.setdefault(device_day.risen, []).append(device_day)
        if len(shapes) > MOST_SHAPES:
            shapes = _widened(shapes)
        for risen, members in shapes.items():
            slots = _slots(risen)
            yield slots, [self._rise(device_day, slots) for device_day in members]

    def settle(self) -> None:
        """The commit is done: what rose is durable."""
        for device_day in self._risen:
            device_day.risen = 0
            device_day.lifts = False
        self._risen.clear()

    def finish(self, totals: Mapping[UserDate, UserTotal]) -> None:
        """Answer every message that still waits; *totals* has every user's date that is named."""
        for (user, readings, done), outcomes in zip(self.messages, self._outcomes, strict=True):
            if done.done():
                continue  # nobody waits any more
            dates = dict.fromkeys([reading[0] for reading in readings])
            done.set_result(
                Recorded(outcomes, {day: totals[user, day].total for day in dates if (user, day) in totals})
            )

    def _rise(self, device_day: DeviceDay, slots: tuple[int, ...]) -> Rise:
        counts = device_day.counts
        return Rise(
            device_day.user,
            device_day.date,
            device_day.device_id,
            device_day.late,
            device_day.source,
            device_day.last_reading_ms,
            self._now_ms if device_day.lifts else 0,
            tuple([counts[slot] for slot in slots]),
        )


def _widened(shapes: Mapping[int, list[DeviceDay]]) -> dict[int, list[DeviceDay]]:
    """The commonest shapes as they are, the rest as one that has all their slots: known counts may be sent again."""
    ranked = sorted(shapes.items(), key=lambda shape: -len(shape[1]))
    kept = dict(ranked[: MOST_SHAPES - 1])
    union = 0
    rest: list[DeviceDay] = []
    for risen, members in ranked[MOST_SHAPES - 1 :]:
        union |= risen
        rest += members
    kept[union] = kept.get(union, []) + rest
    return kept


def _slots(risen: int) -> tuple[int, ...]:
    return tuple(slot for slot in range(SLOTS) if risen >> slot & 1)


assert WHOLE_DATE == SLOTS - 1  # noqa: S101 - `risen` has a bit for it
