"""A database that comes back from an older backup: nobody in it who was deleted since then comes back to life."""

import json
from pathlib import Path

import pytest

from firewalker.cli import tombstones
from firewalker.cli.terminal import CommandError
from tests.service.user.conftest import PASSWORD, World
from tests.service.user.test_deletions import becomes, befriend
from tests.support.waiting import until


class Backup:
    """What stands in all tables at one moment, kept in tables of the same database."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tables: list[str] = []

    async def take(self) -> None:
        self._tables = [str(name) for (name,) in await self._world.sql("SHOW TABLES")]
        for table in self._tables:
            await self._world.sql(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")  # noqa: S608 - names of tables

    async def restore(self, but: str) -> None:
        """Put everything back as it was, but for one table."""
        for table in self._tables:
            if table != but:
                await self._world.sql(f"DELETE FROM {table}")  # noqa: S608 - names of tables
                await self._world.sql(f"INSERT INTO {table} SELECT * FROM kept_{table}")  # noqa: S608 - names of tables


@pytest.mark.requirement("AUTH-50", "PRIV-06")
async def test_no_backup_brings_back_who_was_deleted_after_it(world: World, tmp_path: Path) -> None:
    ann, bob = await world.sign_up("Ann"), await world.sign_up("Bob")
    await befriend(world, ann, bob)
    await until(lambda: world.step.of("friendship_accepted"), within_s=60)
    await world.call("RequestPasswordReset", email=ann.email)
    await world.token(ann.email, 2)
    identity = (
        "INSERT INTO provider_login SELECT 2, 's-1', user_id, '', CURRENT_TIMESTAMP(3) FROM account WHERE email = %s"
    )
    await world.sql(identity, ann.email)
    backup, kept = Backup(world), tmp_path / "tombstones.ndjson"
    await backup.take()
    await world.call("DeleteMe", ann.access, password=PASSWORD)
    await becomes(world, "SELECT COUNT(*) FROM friendship", [(0,)])
    await until(lambda: world.step.of("user_deleted") and world.notification.of("user_deleted"), within_s=60)
    for _ in range(2):  # a file that is there is added to
        await tombstones.export(kept, {"user": world.mysql_url})
    [entry] = [json.loads(line) for line in kept.read_text().splitlines()]
    assert entry["user_id"] == ann.user_id
    # The outbox's own state goes on: the services that it tells have seen what they have seen.
    await backup.restore(but="outbox_lane")
    assert (await world.call("GetUser", bob.access, user_id=ann.user_id)).user.nickname == "Ann"
    assert (await world.call("Refresh", refresh_token=ann.tokens.refresh_token)).tokens.access_token

    assert await tombstones.apply(kept, world.mysql_url) == 1
    assert await world.sql("SELECT COUNT(*) FROM provider_login") == [(0,)]
    assert (await world.refusal("GetUser", bob.access, user_id=ann.user_id)).reason == "USER_NOT_FOUND"
    assert (await world.refusal("Login", email=ann.email, password=PASSWORD)).reason == "BAD_CREDENTIALS"
    assert (await world.refusal("Refresh", refresh_token=ann.tokens.refresh_token)).reason == "REFRESH_TOKEN_INVALID"
    for recorder in (world.step, world.notification):
        await until(lambda: len(recorder.of("user_deleted")) == 2, within_s=60)  # noqa: B023
    eve = await world.sign_up("Eve")
    await world.call("DeleteMe", eve.access, password=PASSWORD)  # wakes the erasure
    await becomes(world, "SELECT COUNT(*) FROM friendship", [(0,)])
    assert list((await world.call("ListFriends", bob.access)).friends) == []
    await becomes(world, "SELECT COUNT(*) FROM mail WHERE email = %s", [(0,)], ann.email)
    assert await tombstones.apply(kept, world.mysql_url) == 0


async def test_a_file_that_holds_something_else_is_neither_taken_nor_overwritten(
    tmp_path: Path, mysql_url: str
) -> None:
    other = tmp_path / "letters"
    for text in ('{"user_id": "x", "delete_time": "2026-01-01T00:00:00+00:00"}', "dear diary", "[]", '"x"'):
        other.write_text(text)
        with pytest.raises(CommandError, match="no tombstones"):
            await tombstones.apply(other, mysql_url)
        with pytest.raises(CommandError, match="no tombstones"):
            await tombstones.export(other, {"user": mysql_url})
        assert other.read_text() == text
