"""People who go on whatever happens, and write down what they were promised."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import grpc
import httpx

from tests.system.people import AUTH, BOARDS, FRIENDS, INBOX, TODAY, USERS, Person, Town
from tests.system.wire import Grpc

REVOKED_WITHIN_S = 3.0
"""After 2 s without a word of ended sessions a process asks MySQL, and calls take their time (AUTH-22, AUTH-23)."""

PROBED_S = 6.0
CALL_S = 10.0
PATIENCE_S = 90.0


@dataclass
class Promises:
    """What was acknowledged, and what must not have happened."""

    requests: dict[str, str] = field(default_factory=dict)
    """Who has to have heard of exactly one friend request, and by whom: ids."""
    phones: set[str] = field(default_factory=set)
    """Of those, whose phone has to have rung: with a device that was acknowledged before."""
    strangers: list[str] = field(default_factory=list)
    """Answers that were about somebody else."""
    revenants: list[str] = field(default_factory=list)
    """Calls that a token was good for though its session had ended long enough before."""
    failed: list[str] = field(default_factory=list)
    """Who got no answer to a call within `PATIENCE_S`, and what was said last."""
    answered: int = 0
    refused: int = 0
    ended: int = 0
    """Sessions."""


async def pairs(place_of: Callable[[str], str], rest_url: str, promises: Promises, over: asyncio.Event) -> None:
    """Until *over*: two newcomers; one asks for the other's friendship, and signs out."""
    clients = [Grpc(place_of(name)) for name in ("user", "step", "notification")]
    town = Town(clients[0], clients[1], clients[2])
    probes: set[asyncio.Task[None]] = set()
    async with httpx.AsyncClient(base_url=rest_url, timeout=CALL_S) as rest:
        while not over.is_set():
            couple: tuple[Person, Person] | None = None
            with contextlib.suppress(grpc.aio.AioRpcError, TimeoutError):  # nothing was promised yet
                couple = await town.person("Ann"), await town.person("Bo")
            if couple is not None and await _got_through(town, rest, couple, promises):
                task = asyncio.create_task(_haunt(town, couple[0], promises))
                probes.add(task)
                task.add_done_callback(probes.discard)
            await asyncio.sleep(0.3)
        await asyncio.gather(*probes)
    for client in clients:
        await client.close()


async def _got_through(town: Town, rest: httpx.AsyncClient, couple: tuple[Person, Person], promises: Promises) -> bool:
    ann, bo = couple
    try:
        await _pair(town, rest, ann, bo, promises)
    except grpc.aio.AioRpcError as error:
        promises.failed.append(f"{ann.nickname} and {bo.nickname}: {error.code().name} {error.details()}")
    except TimeoutError as error:
        promises.failed.append(f"{ann.nickname} and {bo.nickname}: {error}")
    else:
        return True
    return False


async def _pair(town: Town, rest: httpx.AsyncClient, ann: Person, bo: Person, promises: Promises) -> None:
    signed = {"authorization": f"Bearer {bo.token}"}
    phone = {"platform": "ANDROID", "registrationToken": f"token-of-{bo.user_id}", "locale": "en"}
    awake = {"quietHours": {"start": "00:00", "end": "00:00"}}
    await insisting(lambda: _rest(rest.put(f"/v1/devices/phone-{bo.user_id}", json=phone, headers=signed)), promises)
    await insisting(lambda: _rest(rest.patch("/v1/notifications/preferences", json=awake, headers=signed)), promises)
    asked = {"userId": bo.user_id}
    await insisting(lambda: town.user.unary(f"{FRIENDS}/SendFriendRequest", asked, ann.token, limit_s=CALL_S), promises)
    promises.requests[bo.user_id] = ann.user_id
    promises.phones.add(bo.user_id)
    for person in (ann, bo):
        me = await insisting(partial(town.user.unary, f"{USERS}/GetMe", {}, person.token, limit_s=CALL_S), promises)
        _about(me.user.user_id, person, promises)
        mine = {"authorization": f"Bearer {person.token}"}
        seen = await insisting(partial(_me_over_rest, rest, mine), promises)
        _about(seen["user"]["userId"], person, promises)
        board = await insisting(
            partial(town.step.unary, f"{BOARDS}/GetFriendLeaderboard", {"date": TODAY}, person.token, limit_s=CALL_S),
            promises,
        )
        for row in board.leaderboard.entries:
            _about(row.user_id, person, promises)
    await insisting(
        lambda: town.user.unary(f"{AUTH}/Logout", {"refreshToken": ann.refresh_token}, ann.token, limit_s=CALL_S),
        promises,
        done=grpc.StatusCode.UNAUTHENTICATED,
    )
    promises.ended += 1


async def _me_over_rest(rest: httpx.AsyncClient, signed: dict[str, str]) -> Any:
    return await _rest(rest.get("/v1/users/me", headers=signed))


def _about(user_id: str, person: Person, promises: Promises) -> None:
    if user_id != person.user_id:
        promises.strangers.append(f"{person.user_id} was told of {user_id}")


async def _haunt(town: Town, ghost: Person, promises: Promises) -> None:
    """Try the token of a session that has ended, at every service."""
    ended = time.monotonic()
    ways: tuple[tuple[Grpc, str, dict[str, Any]], ...] = (
        (town.user, f"{USERS}/GetMe", {}),
        (town.step, f"{BOARDS}/GetFriendLeaderboard", {"date": TODAY}),
        (town.notification, f"{INBOX}/ListNotifications", {}),
    )
    while time.monotonic() - ended < PROBED_S:
        for client, method, asked in ways:
            began = time.monotonic() - ended
            with contextlib.suppress(grpc.aio.AioRpcError):
                await client.unary(method, asked, ghost.token, limit_s=2)
                if began > REVOKED_WITHIN_S:
                    promises.revenants.append(f"{method} {began:.1f} s after the end")
        await asyncio.sleep(0.4)


async def insisting(
    call: Callable[[], Awaitable[Any]], promises: Promises, *, done: grpc.StatusCode | None = None
) -> Any:
    """The answer of *call*, asked until there is one; *done* is an answer too: it was done, and the answer was lost."""
    limit = time.monotonic() + PATIENCE_S
    while True:
        try:
            answer = await call()
        except grpc.aio.AioRpcError as error:
            if done is not None and error.code() is done:
                return None
            if time.monotonic() > limit:
                raise
        except httpx.HTTPError as error:
            if time.monotonic() > limit:
                raise TimeoutError(repr(error)) from None
        else:
            promises.answered += 1
            return answer
        promises.refused += 1
        await asyncio.sleep(0.2)


async def _rest(request: Awaitable[httpx.Response]) -> Any:
    return (await request).raise_for_status().json()
