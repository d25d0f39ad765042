"""kill -9 of the user service at random moments of "accept": never a change without its event, nor an event without its change.

FIREWALKER_TEST_KILLS sets how often it is killed; 200 take five minutes.
"""

import asyncio
import os
import random
import signal
from importlib.resources import files
from pathlib import Path

import grpc
import grpc.aio
import pytest

from firewalker.gen.pb.firewalker.event.v1 import Event
from firewalker.kernel.ids import UserId
from firewalker.local import ports
from firewalker.local.secrets import make_secrets
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.migrations import migrate
from tests.service.user.rooms import open_rooms
from tests.support.crashing import crashing, signer_of
from tests.support.databases import run_on
from tests.support.waiting import until

KILLS = int(os.environ.get("FIREWALKER_TEST_KILLS", "6"))
PAIRS_A_KILL = 60
AT_ONCE = 8
METHOD = "/firewalker.user.v1.FriendService/AcceptFriendRequest"
Request = message_class("firewalker.user.v1.AcceptFriendRequestRequest")
Response = message_class("firewalker.user.v1.AcceptFriendRequestResponse")

Pairs = list[tuple[UserId, UserId]]


async def pairs_with_requests(mysql_url: str, redis_url: str, count: int) -> Pairs:
    """Pairs of which the first has asked the second, with nothing left in the outbox."""
    async with open_rooms(mysql_url, redis_url) as rooms:
        users = await rooms.newcomers(2 * count)
        pairs = list(zip(users[::2], users[1::2], strict=True))
        for asker, asked in pairs:
            await rooms.social.requests.send(asker, asked)
    # While a starting process does not know which sessions have ended it asks: each of these has one, of the same id.
    await run_on(
        mysql_url,
        "DELETE FROM outbox",
        "INSERT INTO session (session_id, user_id, generation, key_id, secret_hash, installation_id, device_name,"
        " create_time, last_used_time) SELECT user_id, user_id, 1, '', '', '', '', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3) FROM user",
    )
    return pairs


async def friends_and_told(mysql_url: str) -> tuple[set[frozenset[str]], dict[str, list[frozenset[str]]]]:
    """Pairs that are friends, and pairs that each destination will be told of."""
    rows = await run_on(mysql_url, "SELECT HEX(low_id), HEX(high_id) FROM friendship WHERE state = 4")
    friends = {frozenset(map(str, row)) for row in rows}
    told: dict[str, list[frozenset[str]]] = {"step": [], "notification": []}
    for destination, payload in await run_on(mysql_url, "SELECT destination, payload FROM outbox"):
        assert isinstance(payload, bytes)
        fact = Event.parse(payload).friendship_accepted
        assert fact is not None
        assert fact.accepter is not None
        assert fact.requester is not None
        pair = frozenset(profile.user_id.replace("-", "").upper() for profile in (fact.accepter, fact.requester))
        told[str(destination)].append(pair)
    return friends, told


@pytest.mark.requirement("DLV-01")
@pytest.mark.timeout(120 + 4 * KILLS)
async def test_an_accept_and_its_event_are_there_together_or_not_at_all(
    mysql_url: str, redis_url: str, tmp_path: Path
) -> None:
    await migrate(mysql_url, files("firewalker.user.store") / "schema")
    pairs = await pairs_with_requests(mysql_url, redis_url, KILLS * PAIRS_A_KILL)
    secrets, chance = make_secrets(tmp_path / "secrets"), random.Random(7)
    nowhere = (
        f"127.0.0.1:{ports.free()['FIREWALKER_STEP_INTERNAL_PORT']}"  # so that what is to be told stays in the outbox
    )
    settings = {
        "ACCESS_TOKEN_KEY_FILE": secrets.access_token_key,
        "REFRESH_KEY_FILE": secrets.refresh_key,
        "MAIL_FOLDER": tmp_path / "mail",
        "STEP_ADDRESS": nowhere,
        "NOTIFICATION_ADDRESS": nowhere,
    }
    acknowledged: set[frozenset[str]] = set()
    killed_midway = 0
    with crashing("user", mysql_url, redis_url, secrets, tmp_path / "log", **settings) as service:
        for kill in range(KILLS):
            some = pairs[kill * PAIRS_A_KILL : (kill + 1) * PAIRS_A_KILL]
            task = asyncio.create_task(accept_all(service.port, signer_of(secrets).token, some, acknowledged))
            goal = len(acknowledged) + chance.randrange(1, PAIRS_A_KILL - AT_ONCE)
            await until(lambda goal=goal: len(acknowledged) >= goal, 60)  # type: ignore[misc]
            await asyncio.sleep(chance.uniform(0, 0.01))  # anywhere between two answers
            service.end(signal.SIGKILL)
            killed_midway += not task.done()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            friends, told = await friends_and_told(mysql_url)
            for accepted in told.values():
                assert len(accepted) == len(set(accepted))
                assert set(accepted) == friends
            assert acknowledged <= friends
            service.start()
    assert killed_midway >= KILLS // 2
    counts = await run_on(mysql_url, "SELECT SUM(friends), SUM(incoming), SUM(outgoing) FROM friend_count")
    waiting = len(pairs) - len(friends)
    assert [int(str(count)) for count in counts[0]] == [2 * len(friends), waiting, waiting]


async def accept_all(port: int, token: object, pairs: Pairs, acknowledged: set[frozenset[str]]) -> None:
    """Accept the requests of *pairs*, some at once, until the service is gone."""
    options = [(f"grpc.{which}_reconnect_backoff_ms", 100) for which in ("initial", "min", "max")]
    left = list(pairs)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        call = channel.unary_unary(METHOD, Request.SerializeToString, Response.FromString)

        async def accept() -> None:
            while left:
                asker, asked = left.pop()
                metadata = [("authorization", f"Bearer {token(sub=str(asked), sid=str(asked))}")]  # type: ignore[operator]
                await call(Request(user_id=str(asker)), metadata=metadata, wait_for_ready=True, timeout=60)
                acknowledged.add(frozenset((asker.hex.upper(), asked.hex.upper())))

        await asyncio.gather(*(accept() for _ in range(AT_ONCE)))
