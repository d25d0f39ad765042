"""StandingService through a real server: how others ask whether what they are about to tell still holds."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from firewalker.kernel.ids import UserId
from firewalker.runtime.grpc.messages import message_class
from firewalker.step.app import build
from firewalker.step.boards_part import BoardsPart
from firewalker.step.config import StepConfig
from tests.service.step.reading import group_of_friends, someone
from tests.support.services import Service, serving

TODAY = datetime.now(UTC).date()


@pytest.fixture
async def step(mysql_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with serving("step", StepConfig, build, folder=tmp_path, mysql_url=mysql_url, redis_url=redis_url) as service:
        yield service


async def ask(step: Service, name: str, queries: list[dict[str, str]], *, credential: bool = True) -> Any:
    request = message_class(f"firewalker.step.v1.{name}Request")
    answer = message_class(f"firewalker.step.v1.{name}Response")
    path = f"/firewalker.step.v1.StandingService/{name}"
    call = step.internal.unary_unary(path, request.SerializeToString, answer.FromString)
    metadata = step.as_service("notification") if credential else None
    return await call(request(queries=queries), metadata=metadata, timeout=60)


async def walk(step: Service, user: UserId, steps: int) -> None:
    request = message_class("firewalker.step.v1.RecordStepsRequest")
    reading = {"device_id": "phone", "date": str(TODAY), "hour": 9, "steps": steps}
    call = step.public.unary_unary("/firewalker.step.v1.StepService/RecordSteps", request.SerializeToString)
    await call(request(readings=[reading]), metadata=step.as_user(user), timeout=60)


async def befriend(step: Service, me: UserId, *friends: UserId) -> None:
    (part,) = [part for part in step.app.parts if isinstance(part, BoardsPart)]
    await part.projections.take(group_of_friends(me, friends))


async def test_two_are_compared_as_they_are_now(step: Service) -> None:
    ann, ben, stranger = someone(), someone(), someone()
    await befriend(step, ann, ben)
    for user, steps in ((ann, 500), (ben, 700), (stranger, 900)):
        await walk(step, user, steps)

    def query(viewer: UserId, subject: UserId, day: str = str(TODAY)) -> dict[str, str]:
        return {"viewer_id": str(viewer), "subject_id": str(subject), "date": day}

    old = str(TODAY - timedelta(days=2))
    answer = await ask(
        step, "CompareWalkers", [query(ann, ben), query(ben, ann), query(ann, stranger), query(ann, ben, old)]
    )
    visible = answer.comparisons[0].visibility
    assert [(one.subject_leads, one.visibility == visible, one.open) for one in answer.comparisons] == [
        (True, True, True),
        (False, True, True),
        (True, False, True),
        (False, True, False),
    ]


async def test_a_rank_is_told_with_how_many_there_are(step: Service) -> None:
    ann, ben, cem = someone(), someone(), someone()
    await befriend(step, ann, ben, cem)
    await walk(step, ann, 500)
    await walk(step, ben, 700)
    queries = [{"user_id": str(user), "date": str(TODAY)} for user in (ann, ben, cem)]
    places = (await ask(step, "GetRanks", queries)).places
    assert [(place.rank, place.ranked, place.steps) for place in places] == [(2, 2, 500), (1, 2, 700), (0, 1, 0)]


async def test_a_date_without_a_board_leaves_the_other_answers_alone(step: Service) -> None:
    ann = someone()
    await walk(step, ann, 500)
    queries = [{"user_id": str(ann), "date": day} for day in (str(TODAY + timedelta(days=9)), str(TODAY))]
    places = (await ask(step, "GetRanks", queries)).places
    assert [(place.rank, place.ranked, place.steps) for place in places] == [(0, 0, 0), (1, 1, 500)]


async def test_nobody_but_a_service_asks_and_what_is_asked_is_checked(step: Service) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as stranger:
        await ask(step, "GetRanks", [], credential=False)
    assert stranger.value.code() is grpc.StatusCode.UNAUTHENTICATED
    wrong: list[tuple[str, dict[str, str], int]] = [
        ("GetRanks", {"user_id": "me", "date": "today"}, 100),
        ("CompareWalkers", {"viewer_id": "me", "subject_id": str(someone()), "date": str(TODAY)}, 500),
    ]
    for name, query, most in wrong:
        for queries in ([query], [query] * (most + 1)):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await ask(step, name, queries)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
