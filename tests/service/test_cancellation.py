"""Every RPC of the real services, cancelled wherever it can be: at its first suspension, its second, and so on to the end.

Afterwards no connection is lent, nobody waits for one, no transaction is open, no call is served, the tables show the change
whole or not at all, and the service goes on.

A new RPC is taken by itself, with a made-up request of somebody who has just signed up: that is often refused, and then only
its reading is tried. One line in `USER_CALLS`, `STEP_CALLS` or `NOTIFICATION_CALLS` does better: its path, and a function
that makes what the call needs and gives the request, who calls, and what it changes (`Prepared`); such as

    FRIENDS + "AcceptFriendRequest": _to_accept,
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import UUID

import pytest

from firewalker.kernel.ids import new_uuid7
from firewalker.local.secrets import make_secrets
from firewalker.notification.app import build as build_notification
from firewalker.notification.config import NotificationConfig
from firewalker.runtime.mysql.address import Address
from firewalker.step.app import build as build_step
from firewalker.step.boards_part import BoardsPart
from firewalker.step.config import StepConfig
from firewalker.user.app import build as build_user
from firewalker.user.config import UserConfig
from tests.support.house import (
    MOST_SUSPENSIONS,
    REFUSED,
    TODAY,
    Fields,
    House,
    Metadata,
    Prepare,
    Prepared,
    assert_survives,
    made_up,
    rpcs,
)
from tests.support.proxy import FaultProxy, fault_proxy
from tests.support.services import serving
from tests.support.ways import RedisWay, redis_way

pytestmark = [pytest.mark.requirement("NET-23"), pytest.mark.filterwarnings("error")]

PASSWORD = "mist over the gate"
NOW = {"seconds": int(time.time())}


async def _a_service(house: House) -> Metadata:
    return house.service.as_service("user")


async def survives(house: House, path: str, prepare: Prepare | None, caller: Callable[[], Awaitable[Metadata]]) -> None:
    """As `assert_survives`; where nobody says how to *prepare*, with a made-up request of *caller*."""

    async def to_make_up(house: House) -> Prepared:
        del house
        return Prepared(made_up(path), await caller())

    if prepare is None:
        await assert_survives(house, path, to_make_up, allowed=REFUSED)
    else:
        await assert_survives(house, path, prepare)


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
    marks = (*_FRIENDSHIP, "SELECT COUNT(*) FROM used_quota", *_FACTS)
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


@pytest.mark.parametrize("path", rpcs("firewalker.user.v1"))
async def test_a_call_to_the_user_service(path: str, tmp_path: Path, mysql_url: str, redis_url: str) -> None:
    async with user_house(tmp_path, mysql_url, redis_url) as house:

        async def somebody() -> Metadata:
            person, _ = await _person(house)
            return _bearer(person.tokens)

        await survives(house, path, USER_CALLS.get(path), somebody)


async def test_a_call_of_another_service_to_the_user_service(tmp_path: Path, mysql_url: str, redis_url: str) -> None:
    async with user_house(tmp_path, mysql_url, redis_url) as house:
        for path in house.between_services:
            await survives(house, path, USER_CALLS.get(path), partial(_a_service, house))


@pytest.mark.requirement("AUTH-11")
async def test_a_refresh_that_was_cut_off_can_be_repeated(tmp_path: Path, mysql_url: str, redis_url: str) -> None:
    async with user_house(tmp_path, mysql_url, redis_url) as house:
        for number in range(MOST_SUSPENSIONS):
            prepared = await _to_refresh(house)
            cancelled = await house.cancelled_call(number, AUTH + "Refresh", prepared)
            again = await house.call(AUTH + "Refresh", **prepared.fields)
            await house.call(AUTH + "Refresh", refresh_token=again.tokens.refresh_token)
            if not cancelled:
                return


# -- step --------------------------------------------------------------------------------------------------------------

RECORD = "/firewalker.step.v1.StepService/RecordSteps"
TRACK = "/firewalker.step.v1.StepService/TrackSteps"
DELIVER = "/firewalker.event.v1.EventSinkService/Deliver"
BOARD = "/firewalker.step.v1.LeaderboardService/GetFriendLeaderboard"
WATCH = "/firewalker.step.v1.LeaderboardService/WatchFriendLeaderboard"


def _walker(house: House) -> tuple[UUID, Metadata]:
    user = new_uuid7()
    return user, house.service.as_user(user)


def _reading(device_id: str, hour: int = 9) -> Fields:
    return {"device_id": device_id, "date": TODAY, "hour": hour, "steps": 500}


def _rows(user: UUID) -> str:
    return f"SELECT COUNT(*) FROM day_device WHERE user_id = UNHEX('{user.hex}')"  # noqa: S608 - hexadecimal digits


async def _to_record(house: House) -> Prepared:
    user, metadata = _walker(house)
    return Prepared({"readings": [_reading("phone"), _reading("band")]}, metadata, (_rows(user),))


async def _to_track(house: House) -> Prepared:
    """More messages than may be under way at once."""
    user, metadata = _walker(house)
    first, *more = ({"message_id": f"{n}", "readings": [_reading(f"device {n}")]} for n in range(10))
    return Prepared(first, metadata, (_rows(user),), tuple(more), partly=True)


async def _to_look(house: House) -> Prepared:
    _, metadata = _walker(house)
    return Prepared({}, metadata)


async def _to_watch(house: House) -> Prepared:
    """The board as it is, and one step on it; then the watcher goes."""
    _, metadata = _walker(house)
    walk = partial(House.call, path=RECORD, metadata=metadata, readings=[_reading("phone")])
    return Prepared({}, metadata, answers=2, after_first=walk)


async def _to_deliver(house: House) -> Prepared:
    """Facts that are taken in all or not at all."""
    walkers = [{"user_id": str(new_uuid7()), "nickname": f"walker {n}"} for n in range(2)]
    facts: list[Fields] = [{"user_signed_up": {"profile": walker, "time_zone": "Asia/Seoul"}} for walker in walkers]
    facts.append({"friendship_accepted": {"accepter": walkers[0], "requester": walkers[1], "since_time": NOW}})
    events = [{"event_id": str(new_uuid7()), "create_time": NOW, **fact} for fact in facts]
    marks = tuple(f"SELECT COUNT(*) FROM {table}" for table in ("walker", "friend", "event_seen"))  # noqa: S608 - its own
    return Prepared({"events": events}, house.service.as_service("user"), marks)


STEP_CALLS: dict[str, Prepare] = {
    RECORD: _to_record,
    TRACK: _to_track,
    BOARD: _to_look,
    WATCH: _to_watch,
    DELIVER: _to_deliver,
}


@asynccontextmanager
async def step_house(folder: Path, mysql_url: str, redis_url: str, real_mysql_url: str = "") -> AsyncIterator[House]:
    """*real_mysql_url* is the way to look at the tables where *mysql_url* is full of obstacles."""
    async with serving(
        "step", StepConfig, build_step, folder=folder, mysql_url=mysql_url, redis_url=redis_url
    ) as service:
        yield House(service, real_mysql_url or mysql_url)


async def nobody_watches(house: House) -> None:
    """Return when no watcher is left on any board."""
    (boards,) = (part.boards for part in house.service.app.parts if isinstance(part, BoardsPart))
    async with asyncio.timeout(60):
        while boards.streams:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("path", rpcs("firewalker.step.v1"))
async def test_a_call_to_the_step_service(path: str, tmp_path: Path, mysql_url: str, redis_url: str) -> None:
    async with step_house(tmp_path, mysql_url, redis_url) as house:

        async def somebody() -> Metadata:
            return _walker(house)[1]

        await survives(house, path, STEP_CALLS.get(path), somebody)
        await nobody_watches(house)


async def test_a_call_of_another_service_to_the_step_service(tmp_path: Path, mysql_url: str, redis_url: str) -> None:
    async with step_house(tmp_path, mysql_url, redis_url) as house:
        for path in house.between_services:
            await survives(house, path, STEP_CALLS.get(path), partial(_a_service, house))


@asynccontextmanager
async def through_proxies(
    folder: Path, mysql_url: str, redis_url: str
) -> AsyncIterator[tuple[FaultProxy, RedisWay, str, str]]:
    """Proxies to MySQL and to Redis, and the URLs that lead through them."""
    address = Address.parse(mysql_url)
    mysql_server = address.unix_socket or (address.host, address.port)
    async with fault_proxy(mysql_server, folder / "mysql") as mysql, redis_way(redis_url) as redis:
        through = urlunsplit(urlsplit(mysql_url)._replace(query=f"unix_socket={quote(str(folder / 'mysql'), safe='')}"))
        yield mysql, redis, through, redis.url


@pytest.mark.parametrize("path", [TRACK, WATCH, RECORD])
@pytest.mark.parametrize("trouble", ["slow mysql", "silent redis", "redis gone"])
async def test_a_call_in_trouble(path: str, trouble: str, tmp_path: Path, mysql_url: str, redis_url: str) -> None:
    """MySQL that takes its time, Redis that takes everything and answers nothing, and none at all."""
    async with (
        through_proxies(tmp_path, mysql_url, redis_url) as (mysql, redis, mysql_through, redis_through),
        step_house(tmp_path, mysql_through, redis_through, mysql_url) as house,
    ):
        if trouble == "slow mysql":
            mysql.behaviour.delay_s = 0.01
        elif trouble == "silent redis":
            redis.behaviour.black_hole = True
        else:
            redis.behaviour.refuse = True
            redis.cut_all()
        await assert_survives(house, path, STEP_CALLS[path], allowed=REFUSED, rest=partial(nobody_watches, house))


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
            cancelled = await house.cancelled_call(number, RECORD, prepared)
            answer = await house.call(RECORD, prepared.metadata, **prepared.fields)
            assert [day.total for day in answer.days] == [500]
            if not cancelled:
                return


# -- notification ------------------------------------------------------------------------------------------------------

NOTIFICATION_CALLS: dict[str, Prepare] = {}


@pytest.mark.parametrize("path", rpcs("firewalker.notification.v1"))
async def test_a_call_to_the_notification_service(path: str, tmp_path: Path, mysql_url: str, redis_url: str) -> None:
    async with serving(
        "notification",
        NotificationConfig,
        build_notification,
        folder=tmp_path,
        mysql_url=mysql_url,
        redis_url=redis_url,
    ) as service:
        house = House(service, mysql_url)

        async def somebody() -> Metadata:
            return _walker(house)[1]

        await survives(house, path, NOTIFICATION_CALLS.get(path), somebody)
