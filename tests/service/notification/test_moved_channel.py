"""How a process goes on hearing of changed inboxes when their channel goes to another server of a cluster."""

from firewalker.notification.live import WatchedInboxes
from tests.support.moving_redis import moving_redis
from tests.support.waiting import until


async def test_a_channel_that_is_given_away_is_subscribed_to_anew() -> None:
    async with moving_redis() as redis:
        watched = WatchedInboxes(redis.url)
        await watched.start()
        try:
            await until(lambda: redis.subscribers == 1)
            await redis.move()
            await until(lambda: redis.subscribers == 1)
            assert redis.subscriptions == 2
        finally:
            await watched.stop()
