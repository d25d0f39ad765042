"""Which server answers a read: a replica that has what is asked, else the primary. Two databases of one server stand for both.

How far each has come is told by the tests. Real servers, of which one follows the other, are in `tests/scale`.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from firewalker.kernel.faults import Contention, DatabaseUnavailable
from firewalker.runtime.deadline import deadline
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.mysql import Database, Replica, Transaction
from firewalker.runtime.mysql.address import Address
from firewalker.runtime.mysql.connection import connect
from firewalker.runtime.mysql.errors import NoAnswer
from firewalker.runtime.mysql.positions import GTIDS, TAKES_WRITES
from firewalker.runtime.mysql.replica import MOST_LAG_S, State
from tests.support.databases import Servers, fresh_database, run_on
from tests.support.proxy import FaultProxy
from tests.support.waiting import until

OFTEN_S = 0.01
LONG_S = 60.0
"""For a look or a read: a machine that is busy with other tests is no replica that is away."""


class Told:
    """How far both are, as a test tells it."""

    def __init__(self) -> None:
        self.primary = self.replica = 1
        self.numbered = True
        self.looks_fail = False
        self.primary_asked_over: list[int] = []
        """Numbers of the server's connections, one for each time."""
        self.now_s = 0.0
        self.looking = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def newest(self, tx: Transaction) -> str:
        (connection,) = await tx.one("SELECT CONNECTION_ID()")
        self.primary_asked_over.append(int(connection))
        position = str(self.primary) if self.numbered else ""
        self.looking.set()
        await self.go_on.wait()
        return position

    async def reached(self, tx: Transaction, position: str, patience_s: float) -> bool:
        del patience_s
        await tx.one("SELECT 1")
        if self.looks_fail:
            raise DatabaseUnavailable
        return self.replica >= int(position)


@dataclass
class Two:
    """A primary and its replica, the network between us and the replica, and where both are."""

    database: Database
    replica: Replica
    told: Told
    network: FaultProxy
    urls: tuple[str, str]

    async def until(self, state: State) -> None:
        await until(lambda: self.replica.state is state)

    async def looked(self) -> None:
        """Wait for the beginning of a look."""
        self.told.looking.clear()
        await self.told.looking.wait()

    async def lag(self, behind: int) -> None:
        """Let the primary go ahead, and wait until that is seen."""
        self.told.primary += behind
        await self.until(State.BEHIND)


@pytest.fixture
async def two(servers: Servers, tmp_path: Path) -> AsyncIterator[Two]:
    """Each of them has a row that tells which it is."""
    async with fresh_database(servers) as primary, fresh_database(servers) as other:
        for url, name in ((primary, "primary"), (other, "replica")):
            await run_on(url, f"CREATE TABLE me AS SELECT '{name}' AS name")
        told, listen = Told(), str(tmp_path / "network.sock")
        network = FaultProxy(Address.parse(other).unix_socket or "", listen)
        await network.start()
        through = f"mysql://root@localhost{urlsplit(other).path}?unix_socket={quote(listen, safe='')}"
        replica = Replica(
            primary,
            through,
            pool_size=2,
            positions=told,
            monotonic=lambda: told.now_s,
            look_every_s=OFTEN_S,
            look_s=LONG_S,
            read_s=LONG_S,
        )
        try:
            async with Database(primary, pool_size=2, replica=replica) as database:
                yield Two(database, replica, told, network, (primary, other))
        finally:
            await network.close()


async def who(tx: Transaction) -> str:
    (name,) = await tx.one("SELECT name FROM me")
    return str(name)


def counted(two: Two, server: str) -> float:
    labels = {"database": two.database.name, "server": server}
    return REGISTRY.get_sample_value("firewalker_mysql_reads_total", labels) or 0.0


async def test_a_replica_that_follows_answers_reads_and_nothing_else(two: Two) -> None:
    await two.until(State.CURRENT)
    doors = (two.database.fresh, two.database.recent, two.database.lasting)
    assert [await door(who) for door in doors] == ["replica"] * 3
    async with two.database.reading() as tx:
        assert await who(tx) == "primary"
    async with two.database.transaction() as tx:
        assert await who(tx) == "primary"
    assert (counted(two, "replica"), counted(two, "primary")) == (3, 0)


async def test_a_fresh_read_is_with_the_primary_until_the_replica_has_come_as_far(two: Two) -> None:
    await two.until(State.CURRENT)
    two.told.primary = 2
    assert await two.database.fresh(who) == "primary"
    assert counted(two, "primary") == 1
    two.told.replica = 2
    await two.until(State.CURRENT)
    assert await two.database.fresh(who) == "replica"


@pytest.mark.requirement("DATA-42")
async def test_a_look_that_began_before_a_write_does_not_answer_a_read_that_came_after_it(two: Two) -> None:
    await two.until(State.CURRENT)
    two.told.go_on.clear()
    await two.looked()  # this one has asked the primary already
    two.told.primary = 2
    reading = [asyncio.create_task(two.database.fresh(who)) for _ in range(3)]
    await asyncio.sleep(0)
    two.told.go_on.set()
    assert await asyncio.gather(*reading) == ["primary"] * 3


async def test_many_fresh_reads_share_a_look(two: Two) -> None:
    await two.until(State.CURRENT)
    looks = 0
    newest = two.told.newest

    async def counting(tx: Transaction) -> str:
        nonlocal looks
        position = await newest(tx)
        looks += 1
        two.told.go_on.clear()  # a later one, which nobody asked for, is not counted
        return position

    two.told.go_on.clear()
    await two.looked()
    two.told.newest = counting  # type: ignore[method-assign]
    reading = [asyncio.create_task(two.database.fresh(who)) for _ in range(50)]
    await asyncio.sleep(0)
    two.told.go_on.set()
    assert set(await asyncio.gather(*reading)) == {"replica"}
    assert looks == 1


async def test_recent_and_lasting_reads_take_a_replica_that_is_some_seconds_behind(two: Two) -> None:
    await two.until(State.CURRENT)
    await two.lag(1)
    two.told.now_s = MOST_LAG_S
    assert await two.database.recent(who) == "replica"
    assert await two.database.lasting(who) == "replica"
    two.told.now_s = MOST_LAG_S + 0.1
    assert await two.database.recent(who) == "primary"
    assert await two.database.lasting(who) == "primary"


async def test_the_lag_is_the_age_of_what_the_replica_is_known_to_have(two: Two) -> None:
    await two.until(State.CURRENT)
    for second in range(2, 30):  # it follows, but eight seconds late
        two.told.now_s, two.told.primary, two.told.replica = float(second), second, max(1, second - 8)
        await two.looked()
        await two.looked()
    assert (two.replica.state, two.replica.lag_s) == (State.BEHIND, 8.0)
    assert await two.database.recent(who) == "replica"
    two.told.replica = two.told.primary
    await two.until(State.CURRENT)
    assert two.replica.lag_s < 1.0


async def test_what_lasts_is_looked_for_at_the_primary_where_the_replica_has_nothing(two: Two) -> None:
    await two.until(State.CURRENT)

    async def of_primary(tx: Transaction) -> str | None:
        name = await who(tx)
        return name if name == "primary" else None

    assert await two.database.lasting(of_primary) == "primary"


@pytest.mark.requirement("DATA-43")
async def test_reads_go_on_while_the_replica_is_away_and_go_back_when_it_is_there_again(two: Two) -> None:
    await two.until(State.CURRENT)
    two.network.set(refuse=True)
    two.network.cut_all()
    for _ in range(5):
        assert await two.database.fresh(who) == "primary"
        assert await two.database.lasting(who) == "primary"
    await two.until(State.AWAY)
    assert not two.replica.recent
    two.network.set()
    await two.until(State.CURRENT)
    assert await two.database.fresh(who) == "replica"


@pytest.mark.requirement("DATA-43")
async def test_a_read_that_hangs_with_its_replica_is_cut_off_and_done_by_the_primary(two: Two) -> None:
    await two.until(State.CURRENT)
    asked = asyncio.Event()

    async def hanging(tx: Transaction) -> str:
        name = await who(tx)
        if name == "replica":
            two.network.set(black_hole=True)
            two.replica.look_s = 0.1
            asked.set()
            return await who(tx)
        return name

    assert await two.database.recent(hanging) == "primary"
    assert asked.is_set()
    assert two.replica.state is State.AWAY


@pytest.mark.requirement("DATA-43")
async def test_a_read_that_only_the_replica_does_not_answer_is_done_by_the_primary(two: Two) -> None:
    await two.until(State.CURRENT)
    two.replica.read_s = 0.1

    async def stuck(tx: Transaction) -> str:
        name = await who(tx)
        if name == "replica":
            await asyncio.Event().wait()
        return name

    async with asyncio.timeout(LONG_S):
        assert [await door(stuck) for door in (two.database.fresh, two.database.recent)] == ["primary"] * 2
        assert await two.database.lasting(stuck) == "primary"
    assert two.replica.state is State.CURRENT


@pytest.mark.alone
@pytest.mark.requirement("DATA-43")
async def test_a_locked_table_on_the_replica_leaves_the_primary_half_of_the_time(two: Two) -> None:
    await two.until(State.CURRENT)
    locking = await connect(Address.parse(two.urls[1]), statement_s=30)
    try:
        await locking.ask("LOCK TABLES me WRITE", 30)
        with deadline(3.0):
            assert await two.database.recent(who) == "primary"
        with deadline(3.0):
            assert await two.database.lasting(who) == "primary"
    finally:
        await locking.close()


async def test_a_row_that_the_replica_lacks_is_read_from_the_primary(two: Two) -> None:
    await two.until(State.CURRENT)
    await run_on(two.urls[1], "DELETE FROM me")
    assert await two.database.recent(who) == "primary"


async def test_a_replica_that_fails_in_its_own_way_is_stood_in_for(two: Two) -> None:
    await two.until(State.CURRENT)
    await run_on(two.urls[1], "DROP TABLE me")
    assert await two.database.fresh(who) == "primary"

    async def contended(tx: Transaction) -> str:
        (here,) = await tx.one("SELECT DATABASE()")
        if here == Address.parse(two.urls[1]).database:
            raise Contention
        return await who(tx)

    assert await two.database.recent(contended) == "primary"
    assert (counted(two, "replica"), counted(two, "primary")) == (0, 2)


async def test_nothing_can_be_written_to_a_replica(two: Two) -> None:
    await two.until(State.CURRENT)

    async def write(tx: Transaction) -> int:
        return await tx.execute("UPDATE me SET name = 'changed'")

    with pytest.raises(NoAnswer):
        await two.replica.ask(write)
    assert await run_on(two.urls[1], "SELECT name FROM me") == [("replica",)]


async def test_a_primary_that_numbers_nothing_is_asked_itself(two: Two) -> None:
    two.told.numbered = False
    await two.until(State.BEHIND)
    assert await two.database.fresh(who) == "primary"


@pytest.mark.requirement("DATA-42")
async def test_a_primary_that_tells_nothing_is_asked_anew_where_its_name_leads(two: Two) -> None:
    await two.until(State.CURRENT)
    two.told.numbered = False
    await two.until(State.BEHIND)
    two.told.primary_asked_over.clear()
    await until(lambda: len(two.told.primary_asked_over) > 1)
    two.told.numbered = True
    await two.until(State.CURRENT)
    before = len(two.told.primary_asked_over)
    await until(lambda: len(two.told.primary_asked_over) > before + 1)
    asked_over = two.told.primary_asked_over
    assert asked_over[0] != asked_over[1]
    assert asked_over[before] == asked_over[-1]


@pytest.mark.requirement("DATA-42")
async def test_a_replica_that_was_away_is_read_over_new_connections(two: Two) -> None:
    async def connection(tx: Transaction) -> int:
        (number,) = await tx.one("SELECT CONNECTION_ID()")
        return int(number)

    await two.until(State.CURRENT)
    before = await two.replica.ask(connection)
    assert await two.replica.ask(connection) == before
    two.told.looks_fail = True
    await two.until(State.AWAY)
    two.told.looks_fail = False
    await two.until(State.CURRENT)
    assert await two.replica.ask(connection) != before


async def test_nobody_waits_for_a_look_that_is_not_made_any_more(two: Two) -> None:
    await two.until(State.CURRENT)
    two.told.go_on.clear()
    reading = asyncio.create_task(two.database.fresh(who))
    await asyncio.sleep(0)
    closing = asyncio.create_task(two.replica.close())
    assert await reading == "primary"
    await closing


@pytest.mark.requirement("DATA-42")
async def test_a_server_that_does_not_number_what_it_commits_has_no_position(servers: Servers) -> None:
    async with Database(servers.mysql_url("mysql"), pool_size=1) as database, database.reading() as tx:
        if tx.mariadb:
            await tx.execute("SET GLOBAL gtid_slave_pos = '7-3-41'")
            assert await GTIDS.newest(tx) == ""
            assert await GTIDS.reached(tx, "7-3-41", 0.0)
            assert [await GTIDS.reached(tx, "7-3-42", patience_s) for patience_s in (0.0, 0.01)] == [False, False]
            await tx.execute("SET GLOBAL gtid_slave_pos = ''")
        assert await GTIDS.newest(tx) == ""


@pytest.mark.requirement("DATA-42")
@pytest.mark.parametrize(
    ("told", "takes_writes"),
    [
        ("@@GLOBAL.read_only", 1),
        ("0", 1),
        ("1", 0),
        ("'OFF'", 1),
        ("'ON'", 0),
        ("'NO_LOCK'", 0),
        ("'NO_LOCK_NO_ADMIN'", 0),
    ],
)
async def test_a_server_takes_writes_that_says_so_in_a_number_or_a_word(
    servers: Servers, told: str, takes_writes: int
) -> None:
    async with Database(servers.mysql_url("mysql"), pool_size=1) as database, database.reading() as tx:
        assert await tx.one(f"SELECT {TAKES_WRITES.replace('@@GLOBAL.read_only', told)}") == (takes_writes,)
