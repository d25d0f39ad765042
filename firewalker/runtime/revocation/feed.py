"""Announcing ended sessions: after the commit, and again whenever Redis may have lost entries."""

import asyncio
import secrets
from collections.abc import Iterable
from typing import Any, Self

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from firewalker.kernel.clock import Clock, SystemClock
from firewalker.kernel.faults import DeadlineExceeded, Fault
from firewalker.runtime import redis as redis_clients
from firewalker.runtime.redis import calling
from firewalker.runtime.revocation.entries import (
    BATCH,
    BEAT,
    BEAT_S,
    EPOCH,
    KEEP,
    STREAM,
    TAG,
    Replay,
    Revocation,
    to_ms,
)
from firewalker.runtime.revocation.view import RevocationView
from firewalker.runtime.tasks import begin, end
from firewalker.runtime.tokens import LEEWAY, LIFETIME

TELL_S = 0.05
"""Longest wait of a call for Redis to take an announcement. One that is away costs it once; then the heartbeat does it."""

_log = structlog.get_logger("firewalker.revocation")


class RevocationFeed:
    """Announces ended sessions. Only the user service has one; each of its processes may run its own."""

    def __init__(
        self,
        url: str,
        replay: Replay,
        *,
        view: RevocationView | None = None,
        clock: Clock | None = None,
        beat_s: float = BEAT_S,
        tell_s: float = TELL_S,
    ) -> None:
        """*replay* is asked for the last access-token lifetime at start and whenever Redis may have lost entries.

        *view* is the one of this process: it learns what is published here whether or not there is a Redis.
        """
        self._redis: Redis = redis_clients.connect(url, TAG)
        self._replay = replay
        self._view = view
        self._clock = clock or SystemClock()
        self._beat_s = beat_s
        self._tell_s = tell_s
        self._epoch: bytes | None = None
        self._must_replay = True
        self._away = False
        """Redis did not take the last that it was told. While so no call waits for it."""
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin heartbeats, after announcing anew what MySQL knows. Redis may be away."""
        self._task = begin(self._run(), "revocation feed")

    async def stop(self) -> None:
        """Stop heartbeats."""
        await end([self._task])
        self._task = None
        await self._redis.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def publish(self, revocations: Iterable[Revocation]) -> None:
        """Tell every process, after the commit that ended the sessions; this one knows when the call begins.

        Never raises for Redis. Without it the others are told, from MySQL, when it is back.
        """
        ended = list(revocations)
        if self._view is not None:
            self._view.learn(ended)
        if not ended:
            return
        if self._away:
            # Told from MySQL with all the others once it is back; by another heartbeat, if one has read MySQL just before.
            self._must_replay = True
            return
        try:
            async with calling(self._tell_s):
                await self._announce(ended)
        except (RedisError, OSError, DeadlineExceeded) as error:
            self._must_replay = self._away = True
            _log.warning("revocation not announced yet", error=type(error).__name__)
        except asyncio.CancelledError:
            # The caller left in the middle; the session has ended all the same.
            self._must_replay = True
            raise

    async def _run(self) -> None:
        while True:
            try:
                await self._beat()
                self._away = False
            except (RedisError, OSError) as error:
                # It may come back empty, or without our last entries (a replica).
                self._must_replay = self._away = True
                _log.warning("revocation stream is away", error=type(error).__name__)
            except Fault as fault:
                # The callback's, such as MySQL being away; tried again with the next beat.
                self._must_replay = True
                _log.warning("revocations could not be announced anew", reason=fault.reason)
            except Exception:  # noqa: BLE001 - without heartbeats every process would call its view stale
                self._must_replay = True
                _log.exception("revocations could not be announced anew")
            await asyncio.sleep(self._beat_s)

    async def _beat(self) -> None:
        await self._check_epoch()
        if self._must_replay:
            self._must_replay = False
            try:
                since = self._clock.now() - LIFETIME - LEEWAY
                await self._announce(list(await self._replay(since)))
            except BaseException:
                self._must_replay = True
                raise
        if await self._redis.set(BEAT, b"1", nx=True, px=int(self._beat_s * 900)):
            await self._tell_beat()

    async def _check_epoch(self) -> None:
        """Learn whether this is still the Redis that was announced to."""
        found: Any = await self._redis.get(EPOCH)
        if found is None:
            mine = secrets.token_hex(8)
            await self._redis.set(EPOCH, mine, nx=True)
            found = await self._redis.get(EPOCH)
        epoch: bytes = found or b""
        if epoch != self._epoch:
            self._must_replay = True
            self._epoch = epoch

    async def _announce(self, revocations: list[Revocation]) -> None:
        for start in range(0, len(revocations), BATCH):
            pipeline = self._redis.pipeline(transaction=False)
            for revocation in revocations[start : start + BATCH]:
                pipeline.xadd(STREAM, self._fields(revocation), minid=self._oldest(), approximate=True)
            await pipeline.execute()

    async def _tell_beat(self) -> None:
        """Add the heartbeat, and let nothing be kept for longer than the tokens it concerns (AUTH-21)."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.xadd(STREAM, {b"epoch": self._epoch or b""}, minid=self._oldest(), approximate=False)
        pipeline.expire(STREAM, KEEP)
        pipeline.expire(EPOCH, KEEP)
        await pipeline.execute()

    def _fields(self, revocation: Revocation) -> dict[Any, Any]:
        time = revocation.time or self._clock.now()
        return {b"time": to_ms(time), b"reason": revocation.reason.encode(), b"sid": revocation.session_id.bytes}

    def _oldest(self) -> str:
        return f"{int((self._clock.now() - KEEP).timestamp() * 1000)}-0"
