"""What is left when the database or the connection to it fails at the worst moment."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from firewalker.kernel.faults import DatabaseUnavailable
from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction
from firewalker.runtime.mysql.address import Address
from firewalker.runtime.outbox import Outbox
from firewalker.runtime.redis import connect
from firewalker.runtime.revocation import STREAM
from firewalker.runtime.revocation.entries import TAG
from firewalker.user.domain.email import parse_email
from firewalker.user.domain.faults import EmailTaken, NicknameTaken, RefreshTokenInvalid, RefreshTokenReused
from firewalker.user.domain.friendship import State
from firewalker.user.domain.nickname import parse_nickname
from firewalker.user.domain.provider import Identity, Provider
from firewalker.user.domain.provider_faults import ProviderNotLinked
from firewalker.user.domain.session import Client, EndReason
from firewalker.user.domain.user import Card
from firewalker.user.events import OutboxFacts
from firewalker.user.id_tokens import IdTokens
from firewalker.user.store.accounts import Accounts as AccountRows
from firewalker.user.store.mails import Mails as MailRows
from firewalker.user.store.provider_logins import ProviderLogins as ProviderRows
from firewalker.user.store.sessions import Sessions as SessionRows
from firewalker.user.store.users import Users
from firewalker.user.throttles import Throttles
from firewalker.user.usecases.accounts import SignUp
from firewalker.user.usecases.burials import Burials
from firewalker.user.usecases.ports import Fact
from firewalker.user.usecases.provider_logins import ProviderLogins
from firewalker.user.usecases.removal import Removal
from tests.service.user.conftest import PASSWORD, World, open_world
from tests.service.user.rooms import Rooms, open_rooms
from tests.service.user.test_sessions import becomes_revoked
from tests.support.databases import run_on
from tests.support.proxy import FaultProxy, fault_proxy


@pytest.fixture
async def proxy(mysql_url: str, tmp_path: Path) -> AsyncIterator[FaultProxy]:
    address = Address.parse(mysql_url)
    upstream = address.unix_socket or (address.host, address.port)
    async with fault_proxy(upstream, tmp_path / "s") as proxy:
        yield proxy


@pytest.fixture
def proxied_url(mysql_url: str, proxy: FaultProxy) -> str:
    """MySQL through the proxy."""
    return f"{mysql_url.partition('?')[0]}?unix_socket={quote(str(proxy.listen), safe='')}"


@pytest.fixture
async def rooms(proxied_url: str, redis_url: str) -> AsyncIterator[Rooms]:
    """The use cases, reaching MySQL through the proxy."""
    async with open_rooms(proxied_url, redis_url) as rooms:
        yield rooms


@pytest.fixture
async def proxied(proxied_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """The service, reaching MySQL through the proxy."""
    async with open_world(tmp_path, proxied_url, redis_url) as world:
        yield world


def once(text: bytes) -> Callable[[bytes], bool]:
    """True for the first chunk that has *text* in it."""
    seen: list[bytes] = []

    def found(chunk: bytes) -> bool:
        if text in chunk and not seen:
            seen.append(chunk)
            return True
        return False

    return found


COMMIT = b"\x03COMMIT"


def commit_of(text: bytes) -> Callable[[bytes], bool]:
    """True for the first COMMIT on a connection, which a task of the proxy's serves, that has sent *text* before."""
    senders: set[asyncio.Task[Any] | None] = set()

    def found(chunk: bytes) -> bool:
        task = asyncio.current_task()
        if text in chunk:
            senders.add(task)
        elif COMMIT in chunk and task in senders:
            senders.clear()
            return True
        return False

    return found


@pytest.mark.requirement("AUTH-11", "DATA-03")
@pytest.mark.parametrize("trouble", ["cut_before", "cut_instead_of_answer_to"])
async def test_a_refresh_whose_commit_was_not_answered_still_steps_once(
    rooms: Rooms, proxy: FaultProxy, mysql_url: str, trouble: str
) -> None:
    _, grant = await rooms.sign_up("anna")
    proxy.set(**{trouble: once(COMMIT)})
    second = await rooms.sessions.refresh(grant.refresh_token.text)
    assert second.refresh_token.generation == 2
    assert await run_on(mysql_url, "SELECT generation FROM session") == [(2,)]
    assert (await rooms.sessions.refresh(grant.refresh_token.text)).refresh_token == second.refresh_token


@pytest.mark.requirement("AUTH-11")
async def test_reuse_whose_commit_was_not_answered_is_still_reuse(
    rooms: Rooms, proxy: FaultProxy, mysql_url: str, redis_url: str
) -> None:
    _, first = await rooms.sign_up("anna")
    second = await rooms.sessions.refresh(first.refresh_token.text)
    await rooms.sessions.refresh(second.refresh_token.text)
    proxy.set(cut_instead_of_answer_to=once(COMMIT))
    with pytest.raises(RefreshTokenReused):
        await rooms.sessions.refresh(first.refresh_token.text)
    assert await run_on(mysql_url, "SELECT end_reason FROM session") == [(EndReason.REUSE.value,)]
    redis = connect(redis_url, TAG)
    announced: Any = await redis.xrange(STREAM)
    await redis.aclose()
    assert [fields[b"sid"] for _, fields in announced] == [first.session.session_id.bytes]


@pytest.mark.requirement("AUTH-20")
async def test_a_logout_whose_commit_was_not_answered_is_made_sure_of(
    rooms: Rooms, proxy: FaultProxy, mysql_url: str
) -> None:
    _, grant = await rooms.sign_up("anna")
    proxy.set(cut_instead_of_answer_to=once(COMMIT))
    await rooms.sessions.logout(grant.refresh_token.text, None)
    assert await run_on(mysql_url, "SELECT end_reason FROM session") == [(EndReason.LOGOUT.value,)]


NEW_PASSWORD = b"UPDATE account SET password_hash"
CHANGE = {"current_password": PASSWORD, "new_password": "fog under the bridge"}


@pytest.mark.requirement("AUTH-20")
async def test_sessions_that_a_commit_without_an_answer_has_ended_are_refused(
    proxied: World, proxy: FaultProxy
) -> None:
    phone = await proxied.sign_up()
    laptop = await proxied.sign_in(phone)
    proxy.set(cut_instead_of_answer_to=commit_of(NEW_PASSWORD))
    assert (await proxied.refusal("ChangePassword", laptop.access, **CHANGE)).status == "UNAVAILABLE"
    await becomes_revoked(proxied, phone.access)


@pytest.mark.requirement("AUTH-20")
async def test_sessions_are_refused_whose_end_was_committed_when_its_caller_had_left(
    proxied: World, proxy: FaultProxy, mysql_url: str
) -> None:
    phone = await proxied.sign_up()
    laptop = await proxied.sign_in(phone)
    committing, is_it = asyncio.Event(), commit_of(NEW_PASSWORD)

    def hold_back(chunk: bytes) -> bool:
        if is_it(chunk):
            committing.set()
            proxy.set(black_hole=True)  # this chunk still gets through; no answer does
        return False

    proxy.set(cut_before=hold_back)
    call = asyncio.create_task(proxied.call("ChangePassword", laptop.access, **CHANGE))
    async with asyncio.timeout(60):
        await committing.wait()
    call.cancel()
    with suppress(asyncio.CancelledError):
        await call
    assert (await proxied.refusal("ListSessions")).status == "UNAUTHENTICATED"  # heard behind the cancellation
    ended = "SELECT COUNT(*) FROM session WHERE end_reason = 6"
    async with asyncio.timeout(60):
        while await run_on(mysql_url, ended) != [(1,)]:  # noqa: ASYNC110 - MySQL tells no event
            await asyncio.sleep(0.01)
    proxy.set()
    await becomes_revoked(proxied, phone.access)


@pytest.mark.requirement("DLV-01", "DLV-06")
@pytest.mark.parametrize("trouble", ["cut_before", "cut_instead_of_answer_to"])
async def test_an_accept_whose_commit_was_not_answered_happens_and_is_told_once(
    rooms: Rooms, proxy: FaultProxy, mysql_url: str, trouble: str
) -> None:
    (anna, _), (bora, _) = await rooms.sign_up("anna"), await rooms.sign_up("bora")
    await rooms.requests.send(anna, bora)
    proxy.set(**{trouble: once(COMMIT)})
    friendship, _ = await rooms.requests.accept(bora, anna)
    assert friendship.state is State.FRIENDS
    told = "SELECT destination, COUNT(*) FROM outbox WHERE kind = 'FriendshipAccepted' GROUP BY destination"
    assert sorted(await run_on(mysql_url, told)) == [("notification", 1), ("step", 1)]
    assert await run_on(mysql_url, "SELECT DISTINCT friends, outgoing, incoming FROM friend_count") == [(1, 0, 0)]


@pytest.mark.requirement("DATA-03")
async def test_an_unlinking_whose_commit_was_not_answered_has_happened(
    rooms: Rooms, proxy: FaultProxy, mysql_url: str
) -> None:
    anna, _ = await rooms.sign_up("anna")
    tokens = IdTokens({}, rooms.clock)
    logins = ProviderLogins(
        database=rooms.database,
        accounts=AccountRows(),
        links=ProviderRows(),
        tokens=tokens,
        sign_ups=rooms.accounts,
        sessions=rooms.sessions,
        session_rows=SessionRows(),
        throttles=Throttles(None, bytes(32)),
        facts=OutboxFacts(Outbox("notification")),
        clock=rooms.clock,
    )
    async with rooms.database.transaction() as tx:
        await ProviderRows().add(tx, anna, Identity(Provider.GOOGLE, "s-1", None), rooms.clock.now())
    proxy.set(cut_instead_of_answer_to=once(COMMIT))
    await logins.unlink(anna, Provider.GOOGLE)
    assert await run_on(mysql_url, "SELECT COUNT(*) FROM provider_login") == [(0,)]
    with pytest.raises(ProviderNotLinked):
        await logins.unlink(anna, Provider.GOOGLE)
    await tokens.close()


@pytest.mark.requirement("DATA-03")
async def test_who_had_come_back_counts_also_where_the_commit_was_not_answered(
    rooms: Rooms, proxy: FaultProxy, mysql_url: str
) -> None:
    anna, _ = await rooms.sign_up("anna")
    burials = Burials(
        database=rooms.database,
        accounts=AccountRows(),
        removal=Removal(
            accounts=AccountRows(), users=Users(), sessions=SessionRows(), mails=MailRows(), links=ProviderRows()
        ),
        facts=OutboxFacts(Outbox("step")),
        clock=rooms.clock,
    )
    proxy.set(cut_instead_of_answer_to=once(COMMIT))
    assert await burials.bury(anna, rooms.clock.now())
    assert await run_on(mysql_url, "SELECT COUNT(*) FROM account") == [(0,)]
    assert not await burials.bury(anna, rooms.clock.now())


async def test_a_sign_up_whose_commit_was_not_answered_is_not_repeated(
    rooms: Rooms, proxy: FaultProxy, mysql_url: str
) -> None:
    await rooms.sign_up("bora")
    proxy.set(cut_instead_of_answer_to=once(COMMIT))
    with pytest.raises(DatabaseUnavailable):
        await rooms.sign_up("anna")
    with pytest.raises(EmailTaken):
        await rooms.sign_up("anna")
    assert await run_on(mysql_url, "SELECT COUNT(*) FROM outbox WHERE destination = 'step'") == [(2,)]


@pytest.mark.requirement("DATA-02")
async def test_of_rows_that_clash_one_is_made_and_no_deadlock_surfaces(mysql_url: str, redis_url: str) -> None:
    """The transactions of simultaneous sign-ups alone, without the hashing that would spread them."""
    async with open_rooms(mysql_url, redis_url) as rooms:

        async def make(email: str, nickname: str) -> str:
            address, name = parse_email(email), parse_nickname(nickname)
            assert address is not None
            assert name is not None
            form = SignUp(address, "", name, "Asia/Seoul", Client())
            try:
                await rooms.accounts._make(form, "$", rooms.clock.now())
            except (EmailTaken, NicknameTaken) as taken:
                return taken.reason
            return "OK"

        for number in range(10):
            same_email = [make(f"same{number}@example.org", f"n{number} {letter}") for letter in "abcdefgh"]
            same_name = [make(f"{letter}{number}@example.org", f"same {number}") for letter in "abcdefgh"]
            outcomes = await asyncio.gather(*same_email, *same_name)
            assert sorted(outcomes) == ["EMAIL_TAKEN"] * 7 + ["NICKNAME_TAKEN"] * 7 + ["OK"] * 2


class BrokenFacts(OutboxFacts):
    """Fails after it has written: a crash between the change and the commit."""

    broken = False

    async def append(self, tx: Transaction, facts: Sequence[Fact], people: Mapping[UserId, Card]) -> None:
        await super().append(tx, facts, people)
        if self.broken:
            raise RuntimeError("crash")


@pytest.mark.requirement("DLV-01")
async def test_a_change_that_fails_late_leaves_neither_itself_nor_an_event(mysql_url: str, redis_url: str) -> None:
    facts = BrokenFacts(Outbox("step"))
    async with open_rooms(mysql_url, redis_url, facts) as rooms:
        (anna, _), (bora, _) = await rooms.sign_up("anna"), await rooms.sign_up("bora")
        facts.broken = True
        with pytest.raises(RuntimeError, match="crash"):
            await rooms.sign_up("cleo")
        with pytest.raises(RuntimeError, match="crash"):
            await rooms.requests.send(anna, bora)
    for table, left in {"user": 2, "account": 2, "session": 2, "friendship": 0, "used_quota": 0}.items():
        assert await run_on(mysql_url, f"SELECT COUNT(*) FROM {table}") == [(left,)]  # noqa: S608 - named above
    assert await run_on(mysql_url, "SELECT kind, COUNT(*) FROM outbox GROUP BY kind") == [("UserSignedUp", 2)]
    assert await run_on(mysql_url, "SELECT SUM(outgoing + incoming) FROM friend_count") == [(0,)]


@pytest.mark.requirement("AUTH-11")
@pytest.mark.parametrize("seed", range(5))
async def test_owner_and_thief_on_the_real_table(mysql_url: str, redis_url: str, seed: int) -> None:
    """A walk of both, with answers lost: as in the unit test's model, but through MySQL."""
    dice = random.Random(seed)
    async with open_rooms(mysql_url, redis_url) as rooms:
        _, grant = await rooms.sign_up("anna")
        owner = thief = grant.refresh_token
        newest, stolen_at, ended = 1, dice.randrange(5, 30), False
        for step in range(80):
            if step == stolen_at:
                thief = owner
            by_thief = step > stolen_at and dice.random() < 0.3
            presented = thief if by_thief else owner
            try:
                answer = (await rooms.sessions.refresh(presented.text)).refresh_token
            except RefreshTokenReused:
                assert presented.generation < newest - 1
                ended = True
            except RefreshTokenInvalid:
                assert ended
            else:
                assert not ended
                assert presented.generation in {newest, newest - 1}
                assert answer.generation == presented.generation + 1
                newest = max(newest, answer.generation)
                if dice.random() < 0.7:
                    owner, thief = (owner, answer) if by_thief else (answer, thief)
            if step <= stolen_at:
                assert not ended, "an honest client was signed out"
            stored = await run_on(mysql_url, "SELECT generation, end_time IS NOT NULL FROM session")
            assert stored == [(newest, int(ended))]
        assert ended, "both used the token and the session still lives"
