"""Every RPC of the real services, cancelled wherever it can be: at its first suspension, its second, and so on to the end.

Afterwards no connection is lent, nobody waits for one, no transaction is open, the tables show the change whole or not at
all, and the service goes on.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc.aio
import pytest

from firewalker.kernel.faults import Draining
from firewalker.kernel.ids import new_uuid7
from firewalker.local.secrets import make_secrets
from firewalker.notification.app import build as build_notification
from firewalker.notification.config import NotificationConfig
from firewalker.runtime.grpc.messages import public_descriptors
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.runtime.mysql import Database
from firewalker.step.app import build as build_step
from firewalker.step.config import StepConfig
from firewalker.user.app import build as build_user
from firewalker.user.config import UserConfig
from tests.support.cancelling import cancelled_at
from tests.support.databases import run_on
from tests.support.services import Service, serving

pytestmark = [pytest.mark.requirement("NET-23"), pytest.mark.filterwarnings("error")]

MOST_SUSPENSIONS = 200
PASSWORD = "mist over the gate"
TODAY = str(datetime.now(UTC).date())

Fields = dict[str, Any]
Metadata = list[tuple[str, str]] | None


@dataclass(frozen=True)
class House:
    """A running service, and what its tables look like from outside."""

    service: Service
    mysql_url: str

    @property
    def database(self) -> Database:
        found = self.service.app.checks["mysql"].__self__  # type: ignore[attr-defined]
        assert isinstance(found, Database)
        return found

    async def call(self, path: str, metadata: Metadata = None, **fields: Any) -> Any:
        method = public_descriptors().method(path)
        request = public_descriptors().message_class(method.input_type.full_name)(**fields)
        answer = public_descriptors().message_class(method.output_type.full_name)
        multicallable = self.service.public.unary_unary(
            path, request_serializer=type(request).SerializeToString, response_deserializer=answer.FromString
        )
        return await multicallable(request, metadata=metadata, timeout=10)

    async def cancelled_call(self, number: int, path: str, metadata: Metadata, fields: Fields) -> bool:
        """Call, and cancel what serves it at its suspension *number*; whether there was one."""
        public = self.service.app.servers[0]
        assert isinstance(public, GrpcServer)
        method = public._methods[path.encode()]
        cancelled = True

        async def serve(call: Any) -> None:
            nonlocal cancelled
            cancelled = await cancelled_at(method.serve(call), number)  # type: ignore[arg-type]
            if cancelled:
                raise Draining

        public._methods[path.encode()] = dataclasses.replace(method, serve=serve)
        try:
            await self.call(path, metadata, **fields)
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.UNAVAILABLE, error.details()  # noqa: PT017 - of the cancelled ones
        finally:
            public._methods[path.encode()] = method
        return cancelled

    async def quiet(self) -> None:
        """Return when nothing of the call is left; fail if something stays."""
        pool = self.database.pool
        async with asyncio.timeout(5):
            # Neither the pool nor MySQL tells anybody when it has come to rest.
            while pool.lent or pool.waiting or pool.opening or await self._transactions():  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def _transactions(self) -> int:
        """Open ones of this database: with them go all locks."""
        rows = await run_on(
            self.mysql_url,
            "SELECT COUNT(*) FROM information_schema.innodb_trx t "
            "JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id WHERE p.db = DATABASE()",
        )
        found = rows[0][0]
        assert isinstance(found, int)
        return found

    async def marks(self, statements: list[str]) -> list[int]:
        """What each statement counts."""
        return [int(str((await run_on(self.mysql_url, statement))[0][0])) for statement in statements]


@dataclass(frozen=True)
class Prepared:
    """One call to come."""

    fields: Fields
    metadata: Metadata = None
    marks: tuple[str, ...] = ()
    """Counts that the whole call changes, all of them or none."""


Prepare = Callable[[House], Awaitable[Prepared]]


async def assert_survives(house: House, path: str, prepare: Prepare) -> None:
    """Cancel later and later, each time a new call on new subjects, until one comes through."""
    seen: list[list[int]] = []
    for number in range(MOST_SUSPENSIONS):
        prepared = await prepare(house)
        await house.quiet()
        before = await house.marks(list(prepared.marks))
        cancelled = await house.cancelled_call(number, path, prepared.metadata, prepared.fields)
        await house.quiet()
        after = await house.marks(list(prepared.marks))
        seen.append([now - then for now, then in zip(after, before, strict=True)])
        if not cancelled:
            break
    else:
        pytest.fail(f"not done after {MOST_SUSPENSIONS} suspensions")
    assert len(seen) > 1
    whole, nothing = seen[-1], [0] * len(seen[-1])
    assert all(change in (whole, nothing) for change in seen), seen
    assert not prepared.marks or whole != nothing


# -- user --------------------------------------------------------------------------------------------------------------

AUTH, USERS, FRIENDS = (f"/firewalker.user.v1.{name}/" for name in ("AuthService", "UserService", "FriendService"))
_ACCOUNT = ("SELECT COUNT(*) FROM account", "SELECT COUNT(*) FROM user", "SELECT COUNT(*) FROM session")
_SESSIONS = ("SELECT COUNT(*) FROM session", "SELECT COUNT(*) FROM session WHERE end_time IS NULL")
_FACTS = ("SELECT COUNT(*) FROM outbox",)
_FRIENDSHIP = (
    "SELECT COUNT(*) FROM friendship WHERE state IN (2, 3)",
    "SELECT COUNT(*) FROM friendship WHERE state = 4",
    "SELECT COALESCE(SUM(friends), 0) FROM friend_count",
    "SELECT COALESCE(SUM(outgoing), 0) FROM friend_count",
    "SELECT COALESCE(SUM(incoming), 0) FROM friend_count",
)
_LETTERS = "abcdefghjkmnopqrstuw"
_numbers = count()


def _form() -> Fields:
    number = next(_numbers)
    name = "".join(_LETTERS[number // 20**power % 20] for power in range(3))
    return {
        "email": f"{name}@example.org",
        "password": PASSWORD,
        "nickname": f"walker {name}",
        "time_zone": "Asia/Seoul",
    }


def _bearer(tokens: Any) -> Metadata:
    return [("authorization", f"Bearer {tokens.access_token}")]


async def _person(house: House) -> tuple[Any, Fields]:
    form = _form()
    return await house.call(AUTH + "SignUp", **form), form


async def _to_sign_up(house: House) -> Prepared:
    del house
    return Prepared(_form(), marks=_ACCOUNT + _FACTS)


async def _to_log_in(house: House) -> Prepared:
    _, form = await _person(house)
    return Prepared({"email": form["email"], "password": PASSWORD}, marks=_SESSIONS)


async def _to_refresh(house: House) -> Prepared:
    person, _ = await _person(house)
    # Generation 2 confirms 1, so that a write is due.
    first = await house.call(AUTH + "Refresh", refresh_token=person.tokens.refresh_token)
    return Prepared({"refresh_token": first.tokens.refresh_token})


async def _to_log_out(house: House) -> Prepared:
    person, _ = await _person(house)
    return Prepared({"refresh_token": person.tokens.refresh_token}, marks=_SESSIONS[1:])


async def _to_get_me(house: House) -> Prepared:
    person, _ = await _person(house)
    return Prepared({}, _bearer(person.tokens))


async def _to_ask(house: House) -> Prepared:
    (asker, _), (asked, _) = await _person(house), await _person(house)
    marks = (*_FRIENDSHIP, "SELECT COUNT(*) FROM sent_friend_request", *_FACTS)
    return Prepared({"user_id": asked.user.user_id}, _bearer(asker.tokens), marks)


async def _to_accept(house: House) -> Prepared:
    (asker, _), (asked, _) = await _person(house), await _person(house)
    await house.call(FRIENDS + "SendFriendRequest", _bearer(asker.tokens), user_id=asked.user.user_id)
    return Prepared({"user_id": asker.user.user_id}, _bearer(asked.tokens), _FRIENDSHIP + _FACTS)


async def _to_list(house: House, **fields: Any) -> Prepared:
    person, _ = await _person(house)
    return Prepared(fields, _bearer(person.tokens))


@asynccontextmanager
async def user_house(folder: Path, mysql_url: str, redis_url: str) -> AsyncIterator[House]:
    secrets = make_secrets(folder)
    settings = {
        "access_token_key_file": secrets.access_token_key,
        "refresh_key_file": secrets.refresh_key,
        "mail_folder": folder / "mail",
        # Nobody is there: what is to be told stays in the outbox, where it can be counted.
        "step_address": "127.0.0.1:1",
        "notification_address": "127.0.0.1:1",
    }
    urls = {"mysql_url": mysql_url, "redis_url": redis_url}
    async with serving("user", UserConfig, build_user, folder=folder, settings=settings, **urls) as service:
        yield House(service, mysql_url)


USER_CALLS: dict[str, Prepare] = {
    AUTH + "SignUp": _to_sign_up,
    AUTH + "Login": _to_log_in,
    AUTH + "Refresh": _to_refresh,
    AUTH + "Logout": _to_log_out,
    USERS + "GetMe": _to_get_me,
    FRIENDS + "SendFriendRequest": _to_ask,
    FRIENDS + "AcceptFriendRequest": _to_accept,
    FRIENDS + "ListFriends": _to_list,
    FRIENDS + "ListFriendRequests": partial(_to_list, direction="INCOMING"),
}


@pytest.mark.parametrize("path", USER_CALLS)
async def test_a_call_to_the_user_service(path: str, tmp_path: Path, mysql_url: str, redis_url: str) -> None:
    async with user_house(tmp_path, mysql_url, redis_url) as house:
        await assert_survives(house, path, USER_CALLS[path])


@pytest.mark.requirement("AUTH-11")
async def test_a_refresh_that_was_cut_off_can_be_repeated(tmp_path: Path, mysql_url: str, redis_url: str) -> None:
    async with user_house(tmp_path, mysql_url, redis_url) as house:
        for number in range(MOST_SUSPENSIONS):
            prepared = await _to_refresh(house)
            cancelled = await house.cancelled_call(number, AUTH + "Refresh", None, prepared.fields)
            again = await house.call(AUTH + "Refresh", **prepared.fields)
            await house.call(AUTH + "Refresh", refresh_token=again.tokens.refresh_token)
            if not cancelled:
                return


# -- step --------------------------------------------------------------------------------------------------------------

RECORD = "/firewalker.step.v1.StepService/RecordSteps"
BOARD = "/firewalker.step.v1.LeaderboardService/GetFriendLeaderboard"


def _walker(house: House) -> tuple[UUID, Metadata]:
    user = new_uuid7()
    return user, house.service.as_user(user)


async def _to_record(house: House) -> Prepared:
    user, metadata = _walker(house)
    readings = [{"device_id": name, "date": TODAY, "hour": 9, "steps": 500} for name in ("phone", "band")]
    rows = f"SELECT COUNT(*) FROM day_device WHERE user_id = UNHEX('{user.hex}')"  # noqa: S608 - hexadecimal digits
    return Prepared({"readings": readings}, metadata, (rows,))


async def _to_look(house: House) -> Prepared:
    _, metadata = _walker(house)
    return Prepared({}, metadata)


STEP_CALLS: dict[str, Prepare] = {RECORD: _to_record, BOARD: _to_look}


@pytest.mark.parametrize("path", STEP_CALLS)
async def test_a_call_to_the_step_service(path: str, tmp_path: Path, mysql_url: str, redis_url: str) -> None:
    async with serving(
        "step", StepConfig, build_step, folder=tmp_path, mysql_url=mysql_url, redis_url=redis_url
    ) as service:
        await assert_survives(House(service, mysql_url), path, STEP_CALLS[path])


@pytest.mark.requirement("DATA-25")
async def test_readings_of_a_call_that_was_cut_off_can_be_sent_again(
    tmp_path: Path, mysql_url: str, redis_url: str
) -> None:
    async with serving(
        "step", StepConfig, build_step, folder=tmp_path, mysql_url=mysql_url, redis_url=redis_url
    ) as service:
        house = House(service, mysql_url)
        for number in range(MOST_SUSPENSIONS):
            prepared = await _to_record(house)
            cancelled = await house.cancelled_call(number, RECORD, prepared.metadata, prepared.fields)
            answer = await house.call(RECORD, prepared.metadata, **prepared.fields)
            assert [day.total for day in answer.days] == [500]
            if not cancelled:
                return


# -- notification ------------------------------------------------------------------------------------------------------


async def test_a_call_to_the_notification_service(tmp_path: Path, mysql_url: str, redis_url: str) -> None:
    async def to_list(house: House) -> Prepared:
        _, metadata = _walker(house)
        return Prepared({}, metadata)

    path = "/firewalker.notification.v1.NotificationService/ListNotifications"
    async with serving(
        "notification",
        NotificationConfig,
        build_notification,
        folder=tmp_path,
        mysql_url=mysql_url,
        redis_url=redis_url,
    ) as service:
        await assert_survives(House(service, mysql_url), path, to_list)
