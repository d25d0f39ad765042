"""One lane of the group commit: gathers messages while a commit runs, then commits what it has gathered.

An idle lane commits the first message immediately; a busy one the more the longer its commits take, and keeps a pace, because
every commit costs the same however little is in it.
Merging is `group`'s work; what is told afterwards, and to whom, is `totals`'s.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from math import inf

import structlog
from prometheus_client import Counter, Histogram

from firewalker.kernel.clock import Clock
from firewalker.kernel.faults import DatabaseUnavailable, Draining, Fault
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.mysql import Database, retried
from firewalker.runtime.tasks import begin
from firewalker.step.domain.day import MAX_DEVICES, UserTotal, to_ms
from firewalker.step.domain.history import DeviceCounts
from firewalker.step.domain.overtake import Walked
from firewalker.step.domain.reading import Counted
from firewalker.step.ingest.group import Group, Message, Recorded
from firewalker.step.ingest.known import DeviceDay, DeviceDays, Merged
from firewalker.step.ingest.totals import Totals
from firewalker.step.live import LiveTotals
from firewalker.step.store import corrections, days
from firewalker.step.store.corrections import Corrected
from firewalker.step.store.days import Rise
from firewalker.step.store.keys import DeviceDate, UserDate

PACE_S = 0.01
"""Shortest time from the start of one group to that of the next, unless as much waits as a group may hold.

At 5 000 readings a second, groups that follow each other at once are of three messages: more of the processor, which
everybody then waits for (`tests.bench.live`). Twice as long as 5 ms saves a tenth of what a reading costs there.
"""

_COMMIT_S = Histogram(
    "firewalker_step_commit_seconds", "From the start of a group to its commit.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5), registry=REGISTRY,
)  # fmt: skip
_ACK_S = Histogram(
    "firewalker_step_acknowledge_seconds", "From the oldest message of a group to the acknowledgement of all of it.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5), registry=REGISTRY,
)  # fmt: skip
_SIZE = Histogram(
    "firewalker_step_group_readings", "Readings committed together.",
    buckets=(1, 3, 10, 30, 100, 300, 1000, 3000), registry=REGISTRY,
)  # fmt: skip
_READINGS = Counter("firewalker_step_readings_total", "Readings made durable or found so.", registry=REGISTRY)
_GROUPS_FAILED = Counter(
    "firewalker_step_groups_failed_total", "Groups whose messages were all refused.", registry=REGISTRY
)

_log = structlog.get_logger(__name__)


class Lane:
    """Gathers and commits the messages of some users, one group after the other."""

    def __init__(
        self,
        database: Database,
        live: LiveTotals,
        clock: Clock,
        *,
        max_group: int,
        max_waiting: int,
        max_known: int,
        walked: Callable[[Collection[Walked]], None] | None = None,
    ) -> None:
        """*walked* is called with what was walked live, once it is durable."""
        self._walked = walked
        self._database = database
        self._clock = clock
        self._max_group = max_group
        self._max_waiting = max_waiting
        self._known = DeviceDays(max_known)
        self._moved_meanwhile: set[UserDate] | None = None
        """While device days are being read: users' dates of which another process told, so that the reading may be old."""
        self._revised: dict[UserDate, int] = {}
        """Dates that turned out to be corrected, with the revision that was seen: what is read next is at least that new."""
        self._totals = Totals(database, live, clock, max_known=max_known, moved=self._moved)
        live.on_gap(self._known.clear)
        self._queue: list[Message] = []
        self.waiting = 0
        """Readings taken and not in a group, or to be merged again."""
        self._news = asyncio.Event()
        self._enough = asyncio.Event()
        """Set while as much waits as a group may hold, and from the end on."""
        self._roomy = asyncio.Event()
        self._roomy.set()
        self._stopping = False
        self._began = -inf
        """When the last group did, on the monotonic clock."""
        self._task: asyncio.Task[None] | None = None

    def start(self, name: str) -> None:
        """Begin to commit, in a task called *name*."""
        self._task = begin(self._run(), name)

    async def stop(self) -> None:
        """Commit what was taken, then end. Nothing may be submitted any more."""
        self._stopping = True
        self._enough.set()
        self._news.set()
        if self._task is not None:
            await self._task

    @property
    def full(self) -> bool:
        """Whether as much waits as may."""
        return self.waiting >= self._max_waiting

    async def room(self) -> None:
        """Wait until it is not full."""
        while self.full:
            await self._roomy.wait()

    def submit(self, user: bytes, readings: Sequence[Counted]) -> "asyncio.Future[Recorded]":
        """Put a message into the next group."""
        done: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()
        self._queue.append(Message(user, readings, done, self._clock.monotonic()))
        self.waiting += len(readings)
        if self.waiting >= self._max_group:
            self._enough.set()
        if self.full:
            self._roomy.clear()
        self._news.set()
        return done

    def corrected(self, user_date: UserDate) -> None:
        """It was corrected in this process: what is known of it counts no more, and everybody has to be told."""
        self._moved(user_date)
        self._totals.owe([user_date])
        self._news.set()

    async def _run(self) -> None:
        while self._queue or not self._stopping:
            if not self._queue:
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._totals.due_s):
                        await self._news.wait()
            await self._gather()
            messages = self._take()
            if messages or self._totals.due_s is not None:
                await self._commit(messages)

    async def _gather(self) -> None:
        """Let more come, where the last group began only just now."""
        wait_s = self._began + PACE_S - self._clock.monotonic()
        if wait_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._enough.wait()
        self._began = self._clock.monotonic()

    def _take(self) -> list[Message]:
        """The next group: messages in their order, until it has enough readings."""
        size = 0
        count = 0
        for message in self._queue:
            size += len(message.readings)
            count += 1
            if size >= self._max_group:
                break
        taken, self._queue = self._queue[:count], self._queue[count:]
        self.waiting -= size
        if self.waiting < self._max_group and not self._stopping:
            self._enough.clear()
        if not self.full:
            self._roomy.set()
        return taken

    async def _commit(self, messages: Sequence[Message]) -> None:
        group = Group(messages, to_ms(self._clock.now()))
        keys = group.device_days()
        sent: Collection[UserDate] = ()
        try:
            group.learn(*await self._load(keys))
            group.merge()
            rises = list(group.rises())
            sent = group.touched_in_time()
            if rises:
                with _COMMIT_S.time():
                    await self._store(rises)
            group.settle()
        except BaseException as error:
            # What was merged is not known to be durable: load it anew when it is next needed. It may be all the same,
            # if an answer was lost: then the owner, and everybody, has to see it, though a repeat changes nothing.
            for user, day, _ in keys:
                self._known.forget((user, day))
            self._totals.owe(sent)
            _refuse(messages, error)
            if not isinstance(error, Exception):
                raise
            return
        self._totals.owe(sent)
        try:
            totals = await self._totals.tell(group)
            again = group.finish(totals, self._outdated(group, totals))
        except BaseException as error:
            _refuse(messages, error)
            if not isinstance(error, Exception):
                raise
        else:
            self._count([message for message in messages if message not in again] if again else messages)
            if group.gains and self._walked is not None:
                self._walked(group.walked(totals))
            self._put_back(again)

    def _count(self, messages: Sequence[Message]) -> None:
        """Tell metrics of these, which are acknowledged, the oldest first."""
        if messages:
            size = sum(len(message.readings) for message in messages)
            _READINGS.inc(size)
            _SIZE.observe(size)
            _ACK_S.observe(self._clock.monotonic() - messages[0].taken_at)

    def _put_back(self, messages: Sequence[Message]) -> None:
        """Merge these again, before all others. There are some only where a date was corrected at this moment."""
        self._queue[:0] = messages
        self.waiting += sum(len(message.readings) for message in messages)
        if self.full:
            self._roomy.clear()

    def _outdated(self, group: Group, totals: Mapping[UserDate, UserTotal]) -> set[UserDate]:
        """The dates of *group* that were corrected while it was under way: of them everything is read anew."""
        outdated = group.outdated(totals)
        for user_date in outdated:
            self._known.forget(user_date)
            self._revised[user_date] = totals[user_date].revision
        return outdated

    async def _load(self, keys: Collection[DeviceDate]) -> tuple[dict[DeviceDate, DeviceDay], set[UserDate]]:
        """What is known of *keys*, and the users' dates that had to be read from MySQL for it, with all their devices."""
        found: dict[DeviceDate, DeviceDay] = {}
        cold: set[UserDate] = set()
        for key in keys:
            device_day = self._known.get(key)
            if device_day is None:
                cold.add(key[:2])
            else:
                found[key] = device_day
        if cold:
            known, moved = await self._read(cold)
            for user, day, device_id in sorted(keys):
                devices = known.get((user, day))
                if devices is None:
                    continue
                device_day = devices.get(device_id)
                if device_day is None:
                    merged = next(iter(devices.values())).merged if devices else None
                    device_day = DeviceDay(user, day, device_id, merged)
                    device_day.refused = len(devices) >= MAX_DEVICES
                    if not device_day.refused:
                        devices[device_id] = device_day
                found[user, day, device_id] = device_day
            for user_date in cold - moved:
                self._known.put(user_date, known[user_date])
        return found, cold

    async def _read(self, cold: Collection[UserDate]) -> tuple[dict[UserDate, dict[str, DeviceDay]], set[UserDate]]:
        """All devices of *cold* dates from MySQL, and those dates that changed while they were being read."""
        moved: set[UserDate] = set()
        self._moved_meanwhile = moved
        try:
            stored, corrected = await self._stored(cold)
        finally:
            self._moved_meanwhile = None
        known = {user_date: _known_devices(user_date, stored.get(user_date, {}), corrected) for user_date in cold}
        for user_date, revision in self._revised.items():
            for device_day in known.get(user_date, {}).values():
                device_day.merged.revision = max(device_day.merged.revision, revision)
        self._revised.clear()
        return known, moved

    def _moved(self, user_date: UserDate) -> None:
        """Another process told something new of it: a device that was there last may come back here."""
        self._known.forget(user_date)
        if self._moved_meanwhile is not None:
            self._moved_meanwhile.add(user_date)

    @retried
    async def _stored(
        self, keys: Collection[UserDate]
    ) -> tuple[dict[UserDate, dict[str, DeviceCounts]], dict[DeviceDate, Corrected]]:
        async with self._database.reading() as tx:
            stored = await days.find_devices(tx, keys)
            revised = [key for key, devices in stored.items() if any(device.revision for device in devices.values())]
            return stored, await corrections.find_latest(tx, revised)

    @retried(idempotent=True)
    async def _store(self, rises: Iterable[tuple[tuple[int, ...], list[Rise]]]) -> None:
        """Commit. Twice is the same as once, so an unknown outcome is repeated."""
        async with self._database.transaction() as tx:
            for slots, some in rises:
                await days.raise_counts(tx, slots, some)


def _known_devices(
    user_date: UserDate, rows: Mapping[str, DeviceCounts], corrected: Mapping[DeviceDate, Corrected]
) -> dict[str, DeviceDay]:
    """All devices of a user's date as stored."""
    user, day = user_date
    merged = Merged([row.counts for row in rows.values()], max((row.revision for row in rows.values()), default=0))
    devices = {}
    for device_id, row in rows.items():
        devices[device_id] = device_day = DeviceDay(user, day, device_id, merged)
        device_day.counts = list(row.counts)
        device_day.revision = row.revision
        # Read after the counts: a correction that came between is not theirs, and MySQL will refuse what is made of it.
        last = corrected.get((user, day, device_id))
        device_day.correction = last.correction if last is not None and last.revision == row.revision else None
        device_day.last_reading_ms = row.last_reading_ms
        device_day.stored = True
    return devices


def _refuse(messages: Sequence[Message], error: BaseException) -> None:
    """Fail every message that still waits, each with an exception of its own: raising one many times grows its traceback."""
    _GROUPS_FAILED.inc()
    if not isinstance(error, Fault | asyncio.CancelledError):
        _log.error("group_failed", exc_info=error, messages=len(messages))
    for message in messages:
        if not message.done.done():
            if isinstance(error, Fault):
                message.done.set_exception(type(error)(retry_after=error.retry_after))
            elif isinstance(error, asyncio.CancelledError):
                message.done.set_exception(Draining())
            else:
                message.done.set_exception(DatabaseUnavailable())
