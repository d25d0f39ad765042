"""One lane of the group commit: gathers messages while a commit runs, then commits what it has gathered, at once.

There is no timer: an idle lane commits the first message immediately, a busy one the more the longer its commits take.
Merging is `group`'s work; what is told afterwards, and to whom, is `totals`'s.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence

import structlog
from prometheus_client import Counter, Histogram

from firewalker.kernel.clock import Clock
from firewalker.kernel.faults import DatabaseUnavailable, Draining, Fault
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.mysql import Database, retried
from firewalker.runtime.tasks import begin
from firewalker.step.domain.day import MAX_DEVICES, to_ms
from firewalker.step.domain.reading import Counted
from firewalker.step.ingest.group import Group, Message, Recorded
from firewalker.step.ingest.known import DeviceDay, Generations
from firewalker.step.ingest.totals import OWED_PAUSE_S, Totals
from firewalker.step.live import LiveTotals
from firewalker.step.store import days
from firewalker.step.store.days import DeviceDate, Rise, UserDate

_COMMIT_S = Histogram(
    "firewalker_step_commit_seconds", "From the start of a group to its commit.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5), registry=REGISTRY,
)  # fmt: skip
_READINGS = Counter("firewalker_step_readings_total", "Readings made durable or found so.", registry=REGISTRY)
_GROUPS_FAILED = Counter(
    "firewalker_step_groups_failed_total", "Groups whose messages were all refused.", registry=REGISTRY
)

_log = structlog.get_logger(__name__)


class Lane:
    """Gathers and commits the messages of some users, one group after the other."""

    def __init__(
        self, database: Database, live: LiveTotals, clock: Clock, *, max_group: int, max_waiting: int, max_known: int
    ) -> None:
        self._database = database
        self._clock = clock
        self._max_group = max_group
        self._max_waiting = max_waiting
        self._known: Generations[DeviceDate, DeviceDay] = Generations(max_known)
        self._totals = Totals(database, live, max_known=max_known)
        self._queue: list[Message] = []
        self._waiting = 0
        self._news = asyncio.Event()
        self._roomy = asyncio.Event()
        self._roomy.set()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self, name: str) -> None:
        """Begin to commit, in a task called *name*."""
        self._task = begin(self._run(), name)

    async def stop(self) -> None:
        """Commit what was taken, then end. Nothing may be submitted any more."""
        self._stopping = True
        self._news.set()
        if self._task is not None:
            await self._task

    @property
    def full(self) -> bool:
        """Whether as much waits as may."""
        return self._waiting >= self._max_waiting

    async def room(self) -> None:
        """Wait until it is not full."""
        while self.full:
            await self._roomy.wait()

    def submit(self, user: bytes, readings: Sequence[Counted]) -> "asyncio.Future[Recorded]":
        """Put a message into the next group."""
        done: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()
        self._queue.append(Message(user, readings, done))
        self._waiting += len(readings)
        if self.full:
            self._roomy.clear()
        self._news.set()
        return done

    async def _run(self) -> None:
        while self._queue or not self._stopping:
            if not self._queue:
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(OWED_PAUSE_S if self._totals.owed else None):
                        await self._news.wait()
            messages = self._take()
            if messages or self._totals.owed:
                await self._commit(messages)

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
        self._waiting -= size
        if not self.full:
            self._roomy.set()
        return taken

    async def _commit(self, messages: Sequence[Message]) -> None:
        group = Group(messages, to_ms(self._clock.now()))
        keys = group.device_days()
        try:
            group.learn(await self._load(keys))
            group.merge()
            rises = list(group.rises())
            if rises:
                with _COMMIT_S.time():
                    await self._store(rises)
            group.settle()
        except BaseException as error:
            # What was merged is not known to be durable: load it anew when it is next needed.
            for key in keys:
                self._known.forget(key)
            _refuse(messages, error)
            if not isinstance(error, Exception):
                raise
            return
        self._totals.owed |= group.touched
        try:
            group.finish(await self._totals.tell(group))
        except BaseException as error:
            _refuse(messages, error)
            if not isinstance(error, Exception):
                raise
        else:
            _READINGS.inc(sum(len(message.readings) for message in messages))

    async def _load(self, keys: Iterable[DeviceDate]) -> dict[DeviceDate, DeviceDay]:
        """What is known of *keys*, asked of MySQL where this process does not know."""
        found: dict[DeviceDate, DeviceDay] = {}
        cold: list[DeviceDate] = []
        for key in keys:
            device_day = self._known.get(key)
            if device_day is None:
                cold.append(key)
            else:
                found[key] = device_day
        if cold:
            stored = await self._stored({(user, day) for user, day, _ in cold})
            devices = {key: len(of_date) for key, of_date in stored.items()}
            for key in sorted(cold):
                user, day, device_id = key
                found[key] = device_day = DeviceDay(user, day, device_id)
                row = stored.get((user, day), {}).get(device_id)
                if row is not None:
                    device_day.counts = list(row.counts)
                    device_day.last_reading_ms = row.last_reading_ms
                    device_day.stored = True
                else:
                    number = devices[user, day] = devices.get((user, day), 0) + 1
                    device_day.refused = number > MAX_DEVICES
                if not device_day.refused:
                    self._known.put(key, device_day)
        return found

    @retried
    async def _stored(self, keys: Iterable[UserDate]) -> dict[UserDate, dict[str, days.StoredDevice]]:
        async with self._database.reading() as tx:
            return await days.find_devices(tx, keys)

    @retried(idempotent=True)
    async def _store(self, rises: Iterable[tuple[tuple[int, ...], list[Rise]]]) -> None:
        """Commit. Twice is the same as once, so an unknown outcome is repeated."""
        async with self._database.transaction() as tx:
            for slots, some in rises:
                await days.raise_counts(tx, slots, some)


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
