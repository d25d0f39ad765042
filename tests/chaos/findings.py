"""What has to hold when it is over, looked up past every proxy: in MySQL, on the boards, in the ledger of FCM's emulator."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from datetime import date
from typing import Any
from uuid import UUID

from firewalker.cli.walk.walker import Walker
from firewalker.emulator.ledger import Record
from firewalker.gen.pb.firewalker.step.v1 import GetFriendLeaderboardRequest, LeaderboardServiceStub
from firewalker.local.secrets import SERVICES
from firewalker.runtime.mysql.literals import fill
from firewalker.runtime.outbox import inspection
from firewalker.step.store.days import TOTAL
from tests.chaos.load import Promises
from tests.chaos.place import Place
from tests.chaos.strikes import Struck
from tests.support.databases import run_on
from tests.support.push_ledger import Span, examine

SETTLED_WITHIN_S = 90.0
"""Leases of 10 s, pauses of relays of up to 5 s, and deliveries that FCM made wait for up to a minute."""

IN_FLIGHT = 16


def _url(place: Place, service: str) -> str:
    server = place.backend.plan.mysql
    assert server is not None
    return server.url(f"firewalker_{service}")


async def totals(place: Place, day: str) -> dict[str, int]:
    """What MySQL has of *day*, by user."""
    asked = f"SELECT user_id, {TOTAL} FROM day_device WHERE date = %s GROUP BY user_id"  # noqa: S608 - a constant
    rows: list[Any] = await run_on(_url(place, "step"), fill(asked, (date.fromisoformat(day),)))
    return {str(UUID(bytes=user)): int(steps) for user, steps in rows}


async def lost_readings(place: Place, walkers: list[Walker]) -> list[str]:
    """Days of walkers that MySQL has less of than was acknowledged, or more than was sent."""
    wrong = []
    for walker in walkers:
        for day in walker.ledger.dates():
            had = (await totals(place, day)).get(walker.account.user_id, 0)
            if found := walker.ledger.check(day, had):
                wrong.append(f"{walker.account.user.nickname} {day}: {found}")
    return wrong


async def boards_apart(walkers: list[Walker], place: Place) -> list[str]:
    """Rows of boards that are not what MySQL has."""
    wrong = []
    for walker in walkers:
        boards = LeaderboardServiceStub(walker._channel)
        for day in walker.ledger.dates():
            true = await totals(place, day)
            answer = await walker.account.call(boards.get_friend_leaderboard, GetFriendLeaderboardRequest(date=day))
            assert answer.leaderboard is not None
            wrong += [
                f"{walker.account.user.nickname} sees {row.steps} of {row.nickname} on {day}, MySQL has {true.get(row.user_id, 0)}"
                for row in answer.leaderboard.entries
                if row.steps != true.get(row.user_id, 0)
            ]
    return wrong


async def settled(place: Place, promises: Promises) -> str:
    """Wait until everything that is under way has arrived; what has not, empty if all did."""
    limit = time.monotonic() + SETTLED_WITHIN_S
    while True:
        lanes = [lane for service in SERVICES for lane in await inspection.look(_url(place, service))]
        waiting = sum(lane.counts.waiting for lane in lanes)
        aside = sum(lane.counts.set_aside for lane in lanes)
        ((left,),) = await run_on(_url(place, "notification"), "SELECT COUNT(*) FROM delivery WHERE state <> 'DEAD'")
        ((plans,),) = await run_on(
            _url(place, "notification"), "SELECT COUNT(*) FROM push WHERE type = 'FRIEND_REQUEST' AND state = 'WAITING'"
        )
        if aside:
            return f"{aside} events set aside: {[reason for lane in lanes for reason in lane.reasons]}"
        if not waiting and not left and not plans:
            return ""
        if time.monotonic() > limit:
            return f"{waiting} events, {plans} pushes and {left} deliveries still under way; {promises.answered} calls answered"
        await asyncio.sleep(0.5)


async def wrong_notifications(place: Place, promises: Promises, done: list[Struck]) -> dict[str, list[str]]:
    """Inboxes with none or several of what was promised once; and what phones did not show, or showed too often."""
    rows: list[Any] = await run_on(
        _url(place, "notification"),
        "SELECT user_id, notification_id, JSON_UNQUOTE(JSON_EXTRACT(params, '$.user_id')) FROM notification"
        " WHERE type = 'FRIEND_REQUEST'",
    )
    heard = Counter((str(UUID(bytes=user)), actor) for user, _, actor in rows)
    ids = {str(UUID(bytes=user)): str(UUID(bytes=nid)) for user, nid, _ in rows}
    inboxes = [
        f"{user} heard {heard[user, actor]} times of {actor}"
        for user, actor in promises.requests.items()
        if heard[user, actor] != 1
    ]
    everything: list[Any] = await run_on(_url(place, "notification"), "SELECT notification_id FROM notification")
    records = [Record(**json.loads(line)) for line in place.ledger.read_text().splitlines()]
    # Whoever was struck may have kept an answer from being heard, or from being written down.
    excuses = [Span(one.start, one.end) for one in done if one.strike.target in ("emulator", "notification", "mysql")]
    found = examine(
        [ids[user] for user in promises.phones if user in ids],
        records,
        maybe=[str(UUID(bytes=nid)) for (nid,) in everything],
        spans=excuses,
        in_flight=IN_FLIGHT,
    )
    return {
        "inbox": inboxes,
        "lost": found.lost,
        "invented": found.invented,
        "doubled": found.doubled,
        "stacked": found.stacked,
    }
