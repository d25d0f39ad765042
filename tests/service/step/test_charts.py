"""Pictures through the door, and what becomes of them when the process that draws does not do its part."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from firewalker.kernel.faults import Overloaded
from firewalker.kernel.ids import UserId
from firewalker.step.app import build
from firewalker.step.charts.lane import MOST_WAITING, Pictures
from firewalker.step.config import StepConfig
from firewalker.step.domain.chart import Bar, Chart, Style
from firewalker.step.domain.faults import PictureUnavailable
from tests.service.step.calls import STATS, call, refusal
from tests.service.step.reading import someone
from tests.support.services import Service, serving
from tests.support.waiting import until

HANGS = (sys.executable, "-c", "import time; time.sleep(60)")
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
async def step(mysql_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with serving("step", StepConfig, build, folder=tmp_path, mysql_url=mysql_url, redis_url=redis_url) as service:
        yield service


def chart(title: str = "") -> Chart:
    return Chart(Style("png"), title, "", (Bar("a", (5,)),))


async def picture(step: Service, user: UserId, **asked: Any) -> Any:
    """The picture; asked for again where a busy machine takes its time to start the process that draws, as clients do."""
    while True:
        try:
            return (await call(step, f"{STATS}/GetMyChart", user, **asked)).picture
        except grpc.aio.AioRpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise


async def test_a_picture_comes_with_its_type_to_users_and_to_nobody_else(step: Service) -> None:
    me = someone()
    vector = await picture(step, me, period="WEEK")
    assert vector.content_type == "image/svg+xml"
    assert b"<svg" in vector.data
    pixels = await picture(step, me, period="DAY", format="PNG", theme="DARK", locale="en")
    assert (pixels.content_type, pixels.data[:8]) == ("image/png", PNG)
    code, _ = await refusal(call(step, f"{STATS}/GetMyChart", None, period="WEEK"))
    assert code is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("asked", [
    {"width": 239}, {"width": 1_921}, {"height": 159}, {"height": 1_081}, {"format": 7}, {"theme": 9}, {"locale": "fr"},
])  # fmt: skip
async def test_pictures_that_cannot_be_are_refused(step: Service, asked: dict[str, Any]) -> None:
    answer = await refusal(call(step, f"{STATS}/GetMyChart", someone(), period="WEEK", **asked))
    assert answer == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


@pytest.fixture
async def pictures() -> AsyncIterator[Pictures]:
    pictures = Pictures(time.monotonic, draw_s=60)
    await pictures.start()
    yield pictures
    await pictures.stop()


async def test_the_same_picture_is_drawn_once_and_a_dead_process_is_replaced(pictures: Pictures) -> None:
    first, second = await asyncio.gather(pictures.draw(chart()), pictures.draw(chart()))
    assert first is second
    process = pictures._process
    assert process is not None
    process.kill()
    await process.wait()
    assert await pictures.draw(chart()) is first  # kept
    assert (await pictures.draw(chart("other"))).startswith(PNG)


async def test_a_process_that_hangs_is_ended_and_the_next_picture_is_drawn() -> None:
    hanging = Pictures(time.monotonic, command=HANGS, draw_s=0.3)
    await hanging.start()
    with pytest.raises(PictureUnavailable):
        await hanging.draw(chart())
    assert hanging._process is None
    await hanging.stop()


async def test_who_goes_away_leaves_the_picture_to_be_drawn(pictures: Pictures) -> None:
    await pictures.draw(chart("first"))
    process = pictures._process
    leaving = asyncio.create_task(pictures.draw(chart("left")))
    await until(pictures._turn.locked)
    leaving.cancel()
    await asyncio.wait([leaving])
    assert (await pictures.draw(chart("after"))).startswith(PNG)
    assert pictures._process is process
    assert len(pictures._kept) == 3


async def test_only_so_many_may_wait() -> None:
    hanging = Pictures(time.monotonic, command=HANGS)
    await hanging.start()
    waiting = [asyncio.create_task(hanging.draw(chart(str(number)))) for number in range(MOST_WAITING)]
    await until(lambda: len(hanging._drawing) == MOST_WAITING)
    with pytest.raises(Overloaded):
        await hanging.draw(chart("one too many"))
    await hanging.stop()
    assert all(
        isinstance(error, asyncio.CancelledError) for error in await asyncio.gather(*waiting, return_exceptions=True)
    )
