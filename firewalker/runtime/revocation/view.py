"""What one process knows of ended sessions: it follows the stream and answers from memory."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import structlog
from prometheus_client import Counter, Gauge, Histogram
from redis.asyncio import Redis
from redis.exceptions import RedisError

from firewalker.kernel.clock import Clock, SystemClock
from firewalker.kernel.ids import SessionId
from firewalker.kernel.principal import Principal
from firewalker.runtime import redis as redis_clients
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.revocation.entries import BATCH, EPOCH, KEEP, STREAM, TAG, Revocation, from_ms
from firewalker.runtime.tasks import begin, end

STALE_S = 2.0
"""A view that has heard nothing for longer does not know what was ended meanwhile (AUTH-23)."""

_RETRY_S = 0.2
_BLOCK_MS = 1000

_STALE = Gauge(
    "firewalker_revocation_view_stale", "1 while this process does not hear of ended sessions.", registry=REGISTRY
)
_SILENCE_S = Gauge(
    "firewalker_revocation_silence_seconds",
    "Since when this process has heard nothing of ended sessions, not even a heartbeat; they come every half second.",
    registry=REGISTRY,
)
_LAG_S = Histogram(
    "firewalker_revocation_lag_seconds",
    "From the decision that ended a session, by the clock of whoever made it, until this process knew.",
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 2, 5, 30), registry=REGISTRY,
)  # fmt: skip
_UNREADABLE = Counter(
    "firewalker_revocation_unreadable_entries_total",
    "Entries of the revocation stream that were skipped because they make no sense.",
    registry=REGISTRY,
)
_log = structlog.get_logger("firewalker.revocation")


class RevocationView:
    """What one process knows of ended sessions. `is_revoked` is a dictionary lookup."""

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        """*url* names the Redis; an entry is remembered for `KEEP`, longer than any access token lives."""
        self._redis: Redis = redis_clients.connect_blocking(url, TAG, longest_block_s=_BLOCK_MS / 1000)
        self._clock = clock or SystemClock()
        self._sessions: OrderedDict[UUID, datetime] = OrderedDict()
        self._watchers: dict[UUID, set[_Watcher]] = {}
        self._cursor = "0-0"
        self._epoch: bytes | None = None
        """The memory of Redis whose stream was read from its beginning; empty for one without a name."""
        self._beat: bytes | None = None
        """The memory that the last heartbeat named."""
        self._heard = float("-inf")
        self._caught_up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._born = self._clock.monotonic()
        _SILENCE_S.set_function(lambda: self._clock.monotonic() - max(self._heard, self._born))

    async def start(self, wait_s: float = 2.0) -> None:
        """Begin to follow the stream; returns when what it holds is known, or after *wait_s* without Redis."""
        self._task = begin(self._follow(), "revocation view")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._caught_up.wait()

    async def stop(self) -> None:
        """Stop following. What is known stays known."""
        await end([self._task])
        self._task = None
        await self._redis.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def stale(self) -> bool:
        """Whether nothing, not even a heartbeat, was heard for 2 s."""
        return self._clock.monotonic() - self._heard > STALE_S

    def is_revoked(self, principal: Principal) -> bool:
        """Whether the principal's session has ended, as far as this process knows."""
        return principal.session_id in self._sessions

    def has_ended(self, session_id: SessionId) -> bool:
        """Whether this session has ended, as far as this process knows."""
        return session_id in self._sessions

    def learn(self, revocations: Iterable[Revocation]) -> None:
        """Take in what this process knows by itself, without Redis: what it has just ended, what MySQL says."""
        for revocation in revocations:
            self._end(revocation.session_id, self._until(revocation.time or self._clock.now()))

    def on_revoked(self, principal: Principal, callback: Callable[[], None]) -> Callable[[], None]:
        """Call *callback* once, soon, when the principal's session ends, at once if it has. Returns what undoes it."""
        session, watcher = principal.session_id, _Watcher(callback)
        self._watchers.setdefault(session, set()).add(watcher)
        if session in self._sessions:
            watcher.fire()

        def undo() -> None:
            watchers = self._watchers.get(session)
            if watchers is not None:
                watchers.discard(watcher)
                if not watchers:
                    del self._watchers[session]

        return undo

    # -- following -------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            try:
                await self._read()
            except (RedisError, OSError) as error:
                _log.warning("revocation stream is away", error=type(error).__name__)
            except Exception:  # noqa: BLE001 - logged whole; what this process knows is worth more than its end
                _log.exception("revocation stream cannot be followed")
            else:
                continue
            self._note_staleness()
            self._drop_old()
            await asyncio.sleep(_RETRY_S)

    async def _read(self) -> None:
        # What is there already is read without waiting for more, so that a start costs no time.
        block = _BLOCK_MS if self._caught_up.is_set() else None
        # The library's types allow for every protocol version; ours is 2, undecoded.
        answer: Any = await self._redis.xread({STREAM: self._cursor}, count=BATCH, block=block)
        entries = answer[0][1] if answer else ()
        for entry_id, fields in entries:
            self._cursor = entry_id.decode()
            self._judge(fields)
        if not entries:
            await self._look_for_reset()
        elif len(entries) < BATCH:
            self._caught_up.set()
            # Only at the end of what there is: on the way there older heartbeats name older memories.
            self._check_memory(self._beat)
        self._note_staleness()
        self._drop_old()

    async def _look_for_reset(self) -> None:
        """Nothing came for a second, though heartbeats should: is this still the Redis that the cursor belongs to?"""
        epoch: Any = await self._redis.get(EPOCH)
        self._caught_up.set()
        self._check_memory(epoch or b"")

    def _check_memory(self, epoch: bytes | None) -> None:
        """Read the stream from its beginning if this is another memory: entries before the cursor may be news."""
        if epoch is None or epoch == self._epoch:
            return
        if self._epoch is not None:
            self._cursor = "0-0"
        self._epoch = epoch

    def _judge(self, fields: Mapping[bytes, bytes]) -> None:
        """Take an entry in, or skip it: one that makes no sense must not hide those behind it."""
        try:
            self._take(fields)
        except Exception as error:  # noqa: BLE001 - whatever stands in Redis; it is counted
            _UNREADABLE.inc()
            _log.warning("revocation entry skipped", error=type(error).__name__)

    def _take(self, fields: Mapping[bytes, bytes]) -> None:
        beat = fields.get(b"epoch")
        if beat is not None:
            self._heard = self._clock.monotonic()
            self._beat = beat
            return
        decided = from_ms(fields[b"time"])
        if self._caught_up.is_set():
            _LAG_S.observe(max(0.0, (self._clock.now() - decided).total_seconds()))
        self._end(UUID(bytes=fields[b"sid"]), self._until(decided))

    def _until(self, announced: datetime) -> datetime:
        """How long to remember. By the announcer's time, so that what is read late is not kept longer."""
        return min(announced, self._clock.now()) + KEEP

    def _end(self, session_id: UUID, until: datetime) -> None:
        if session_id in self._sessions:
            return
        self._sessions[session_id] = until
        for watcher in list(self._watchers.get(session_id, ())):
            try:
                watcher.fire()
            except Exception:  # noqa: BLE001 - logged whole; one stream's bug must not keep the others open
                _log.exception("revocation watcher failed")

    def _note_staleness(self) -> None:
        _STALE.set(1 if self.stale else 0)

    def _drop_old(self) -> None:
        now = self._clock.now()
        # Nearly in the order of time; a late one only stays a little longer.
        while self._sessions and next(iter(self._sessions.values())) < now:
            self._sessions.popitem(last=False)


class _Watcher:
    """One callback, called once."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback: Callable[[], None] | None = callback

    def fire(self) -> None:
        if self._callback is not None:
            callback, self._callback = self._callback, None
            callback()
