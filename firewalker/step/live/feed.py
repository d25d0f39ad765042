"""The subscription: frames of all processes come in here, and a loss of the connection is noticed. Pub/sub keeps nothing."""

import asyncio
import contextlib
import random
import secrets
from collections.abc import Callable
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from firewalker.kernel.clock import Clock
from firewalker.runtime.subscription import listen

CATCH_UP_S = 0.2
"""Longest wait for what is on its way. A healthy Redis needs a millisecond."""

_LONGEST_PAUSE_S = 1.0

_log = structlog.get_logger(__name__)


class Feed:
    """Keeps one subscription to *channel* alive. *receive* gets each message; it must not fail.

    *lost* is called when messages do not arrive any more, *gap* when they do again: some may have been missed.
    """

    def __init__(
        self,
        redis: Redis,
        channel: str,
        clock: Clock,
        receive: Callable[[bytes], None],
        *,
        lost: Callable[[], None],
        gap: Callable[[], None],
    ) -> None:
        self._redis = redis
        self._channel = channel
        self._clock = clock
        self._receive = receive
        self._lost = lost
        self._gap = gap
        self.connected = False
        """Whether every message published now arrives."""
        self._subscription: PubSub | None = None
        self._marks: dict[bytes, asyncio.Future[None]] = {}

    async def run(self) -> None:
        """Subscribe, and again after every loss, until cancelled."""
        pause_s = 0.05
        while True:
            try:
                async with contextlib.aclosing(self._redis.pubsub()) as subscription:
                    await self._listen(subscription)
            except Exception as error:  # noqa: BLE001 - whatever came: without a feed the process is deaf, so begin anew
                if self.connected:
                    pause_s = 0.05
                    self.connected = False
                    self._lost()
                if isinstance(error, RedisError | OSError):
                    _log.warning("live_feed_lost", error=type(error).__name__)
                else:
                    _log.exception("live_feed_failed")
            await asyncio.sleep(random.uniform(pause_s / 2, pause_s))  # noqa: S311 - spreads, protects nothing
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)

    async def catch_up(self) -> None:
        """Return once every message that was published before this call has been received, or after `CATCH_UP_S`.

        Redis answers a ping on the subscription behind the messages it has already put there.
        """
        subscription = self._subscription
        if subscription is None or not self.connected:
            return
        mark = secrets.token_bytes(8)
        passed = self._marks[mark] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(CATCH_UP_S):
                await subscription.ping(mark)
                await passed
        except (TimeoutError, RedisError, OSError):
            _log.warning("live_feed_behind")
        finally:
            del self._marks[mark]

    async def _listen(self, subscription: PubSub) -> None:
        self._subscription = subscription
        await listen(subscription, self._channel, self._hear, monotonic=self._clock.monotonic)

    def _hear(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "smessage":
                self._receive(message["data"])
            case "ssubscribe":
                # What was published until now is gone; from here on nothing is missed.
                self.connected = True
                self._gap()
            case "pong":
                self._pass(message["data"])

    def _pass(self, mark: bytes) -> None:
        passed = self._marks.get(mark)
        if passed is not None and not passed.done():
            passed.set_result(None)
