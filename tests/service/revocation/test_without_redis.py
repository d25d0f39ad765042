"""A process that has MySQL at hand knows of ended sessions without any Redis."""

import asyncio
from datetime import UTC, datetime

import pytest

from firewalker.runtime.revocation import Revocation, ViewFilling
from tests.service.revocation.conftest import World, someone, truth_that_fails_at_first
from tests.support.waiting import until
from tests.support.ways import RedisWay


class TestWithoutRedis:
    @pytest.mark.requirement("AUTH-20")
    async def test_the_process_that_ends_a_session_knows_at_once(
        self, world: World, proxied: tuple[RedisWay, str]
    ) -> None:
        way, url = proxied
        feed, view = await world.process(url)
        await until(lambda: not view.stale)
        way.set(refuse=True)
        way.cut_all()
        who, calls = someone(), list[int]()
        view.on_revoked(who, lambda: calls.append(1))
        telling = asyncio.create_task(world.revoke(feed, who))
        await until(lambda: calls)
        assert view.is_revoked(who)
        await telling

    @pytest.mark.requirement("AUTH-20")
    async def test_a_process_that_has_mysql_knows_at_its_start_and_learns_while_stale(
        self, world: World, proxied: tuple[RedisWay, str]
    ) -> None:
        way, url = proxied
        way.set(refuse=True)
        before, after = someone(), someone()
        world.truth.revoked.append(Revocation(session_id=before.session_id, time=datetime.now(UTC)))
        _, view = await world.process(url)
        assert view.stale
        assert view.is_revoked(before)
        world.truth.revoked.append(Revocation(session_id=after.session_id, time=datetime.now(UTC)))
        await until(lambda: view.is_revoked(after))

    @pytest.mark.requirement("AUTH-20")
    async def test_what_nobody_told_of_is_told_to_every_process(self, world: World) -> None:
        """Whoever ended it died behind the commit, or never learnt of it."""
        _, near = await world.process(world.url)
        far = await world.view()
        await until(lambda: not near.stale and not far.stale)
        who = someone()
        world.truth.revoked.append(Revocation(session_id=who.session_id, time=datetime.now(UTC)))
        await until(lambda: near.is_revoked(who) and far.is_revoked(who))

    async def test_a_truth_that_cannot_be_read_keeps_no_process_from_starting(self, world: World) -> None:
        who = someone()
        feed, view = await world.feed(), await world.view()
        truth = truth_that_fails_at_first(Revocation(session_id=who.session_id))
        async with ViewFilling(view, truth, feed.publish, look_s=0.01):
            assert not view.is_revoked(who)
            await until(lambda: view.is_revoked(who))
