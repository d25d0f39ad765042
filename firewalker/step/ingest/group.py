"""One group: messages that are merged together and committed at once. No I/O: what is loaded and stored is handed in and out."""

from asyncio import Future
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from firewalker.step.domain.day import SLOTS, WHOLE_DATE, UserTotal
from firewalker.step.domain.leaderboard import LIVE_MS
from firewalker.step.domain.overtake import Walked
from firewalker.step.domain.reading import Counted, Outcome
from firewalker.step.ingest.known import DeviceDay, Merged
from firewalker.step.store.days import Rise
from firewalker.step.store.keys import DeviceDate, UserDate

MOST_SHAPES = 6
"""Upserts of one group at most. Each set of slots needs its own; rarer sets are widened into one that holds them all."""

REFRESH_MS = 30_000
"""How often a reading without news renews its user's last reading in live totals: every 30 s at most."""

_ACCEPTED, _LATE, _UNCHANGED = Outcome.ACCEPTED, Outcome.ACCEPTED_DAY_FINAL, Outcome.UNCHANGED
_INVALID, _CORRECTED = Outcome.INVALID_READING, Outcome.HOUR_CORRECTED


class Recorded(NamedTuple):
    """What became of one message, once it is durable."""

    outcomes: Sequence[Outcome]
    """One for each reading, in order: accepted (perhaps late), unchanged (perhaps because the hour was corrected), or
    invalid for one device too many."""
    totals: Mapping[date, int]
    """The owner's merged steps of each date that the message names."""


class Message(NamedTuple):
    """Readings of one user that wait for their commit."""

    user: bytes
    readings: Sequence[Counted]
    done: "Future[Recorded]"
    taken_at: float
    """When it was taken, on the monotonic clock."""


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
        self.touched: dict[UserDate, Merged] = {}
        """Those of them with news, and what is known of them."""
        self.gains: dict[UserDate, int] = {}
        """By how many steps their totals rose by readings that are LIVE."""
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

    def merge(self) -> None:  # noqa: C901, PLR0912 - one loop: a call for every reading would be a tenth of its cost
        """Let every message, in order, raise what it can."""
        days, heard, named, live_from_ms = self._days, self.heard, self.named, self._now_ms - LIVE_MS
        for message in self.messages:
            user = message.user
            outcomes: list[Outcome] = []
            day_of = device_of = None
            for day, device_id, slot, steps, recorded_ms, source, late in message.readings:
                if day is not day_of or device_id != device_of:  # mostly once in a message
                    device_day = days[user, day, device_id]
                    day_of, device_of, user_date = day, device_id, (user, day)
                    refused, correction = device_day.refused, device_day.correction
                    counts, merged = device_day.counts, device_day.merged
                    if not refused:
                        named[user_date] = late and named.get(user_date, True)
                if refused:
                    outcomes.append(_INVALID)
                    continue
                if recorded_ms > device_day.last_reading_ms:  # noqa: PLR1730 - max() costs a call, for every reading
                    device_day.last_reading_ms = recorded_ms
                if not late and recorded_ms > heard.get(user_date, 0):
                    heard[user_date] = recorded_ms
                if correction is not None:
                    if correction.pinned(slot):
                        outcomes.append(_CORRECTED)
                        continue
                    steps = correction.taken_for(slot, steps)  # noqa: PLW2901 - from here on, nobody asks what was told
                if steps <= counts[slot] and device_day.stored:
                    outcomes.append(_UNCHANGED)
                    continue
                if not device_day.risen:
                    self._risen.append(device_day)
                    device_day.late = late
                counts[slot] = steps
                device_day.stored = True
                device_day.risen |= 1 << slot
                device_day.source = source
                device_day.late &= late  # became FINAL while the group gathered: the first of them still counts
                before = merged.total
                if merged.lift(slot, steps):
                    device_day.lifts = True
                    if recorded_ms >= live_from_ms and not late:
                        self.gains[user_date] = self.gains.get(user_date, 0) + merged.total - max(before, 0)
                self.touched[user_date] = merged
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

    def outdated(self, totals: Mapping[UserDate, UserTotal]) -> set[UserDate]:
        """Those with news of which *totals*, read after the commit, have a later revision than what was known.

        Another process has corrected the date meanwhile: what was merged here was not stored.
        """
        return {
            key
            for key, merged in self.touched.items()
            if (total := totals.get(key)) is not None and total.revision > merged.revision
        }

    def touched_in_time(self) -> list[UserDate]:
        """Those with news that standings hear of: what came late is its owner's alone."""
        return [key for key in self.touched if not self.named[key]]

    def walked(self, totals: Mapping[UserDate, UserTotal]) -> list[Walked]:
        """What was walked live, with the *totals* after the commit. What is held is left out."""
        return [
            Walked(user, day, total.total, gain)
            for (user, day), gain in self.gains.items()
            if (total := totals.get((user, day))) is not None and not total.held
        ]

    def finish(self, totals: Mapping[UserDate, UserTotal], outdated: Collection[UserDate] = ()) -> list[Message]:
        """Answer every message that still waits; *totals* has every user's date that is named.

        Messages that name one of *outdated* are left unanswered and returned: they have to be merged again.
        """
        again = []
        for message, outcomes in zip(self.messages, self._outcomes, strict=True):
            user, readings, done, _ = message
            dates = dict.fromkeys([reading[0] for reading in readings])
            if outdated and any((user, day) in outdated for day in dates):
                again.append(message)
            elif not done.done():  # else nobody waits any more
                done.set_result(
                    Recorded(outcomes, {day: totals[user, day].total for day in dates if (user, day) in totals})
                )
        return again

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
            device_day.revision,
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
