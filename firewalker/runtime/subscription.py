"""Listening to a channel of Redis so that silence is noticed: a subscription that hears nothing looks like one with nothing to hear."""

import time
from collections.abc import Callable
from typing import Any, NoReturn

from redis.asyncio.client import PubSub

PING_S = 1.0
"""How often the connection has to show that it lives; the longest that listening blocks."""

SILENT_S = 3.0
"""Without a word for this long, not even an answer to a ping, the connection is given up."""


async def listen(
    subscription: PubSub,
    channel: str,
    receive: Callable[[dict[str, Any]], None],
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> NoReturn:
    """Subscribe to the sharded *channel*, and have *receive* called with all that comes, as redis-py gives it, until cancelled.

    Raises:
        TimeoutError: Nothing was heard for `SILENT_S`.
        ConnectionError: Another server of the cluster has the channel now.
        RedisError, OSError: The connection is lost.
    """
    await subscription.ssubscribe(channel)
    heard = pinged = monotonic()
    while True:
        message: dict[str, Any] | None = await subscription.get_message(timeout=PING_S)
        now = monotonic()
        if message is not None:
            heard = now
            if message["type"] == "sunsubscribe":
                raise ConnectionError("another server of the cluster has the channel now")
            receive(message)
        elif now - heard > SILENT_S:
            raise TimeoutError("nothing heard from Redis")
        if now - pinged >= PING_S:
            pinged = now
            await subscription.ping()
