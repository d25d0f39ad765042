"""The subscription to frames when the channel goes to another server of a cluster."""

from firewalker.runtime.redis import connect_blocking
from firewalker.runtime.subscription import PING_S
from firewalker.runtime.tasks import begin, end
from firewalker.step.live.feed import Feed
from tests.support.clock import FakeClock
from tests.support.moving_redis import moving_redis
from tests.support.waiting import until


async def test_a_channel_that_is_given_away_is_subscribed_to_anew() -> None:
    told: list[str] = []
    async with moving_redis() as redis:
        client = connect_blocking(redis.url, longest_block_s=PING_S)
        feed = Feed(
            client,
            "channel",
            FakeClock(),
            lambda data: told.append(data.decode()),
            lost=lambda: told.append("lost"),
            gap=lambda: told.append("gap"),
        )
        running = begin(feed.run(), "feed")
        try:
            await until(lambda: told == ["gap"])
            await redis.publish(b"frame")
            await until(lambda: len(told) > 1)
            await redis.move()
            await until(lambda: redis.subscriptions > 1 and feed.connected)
            await redis.publish(b"another")
            await until(lambda: told[-1] == "another")
            assert told == ["gap", "frame", "lost", "gap", "another"]
            assert (redis.subscriptions, redis.subscribers) == (2, 1)
        finally:
            await end([running])
            await client.aclose()
