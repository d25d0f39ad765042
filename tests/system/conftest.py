"""One backend for all system tests, on one event loop: tests that break something leave it ready again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from firewalker.local.backend import Backend
from tests.support.databases import STARTED_BY, Ground
from tests.support.journal import Journal
from tests.system.people import Town
from tests.system.wire import Grpc

HERE = Path(__file__).parent

READY_LIMIT_S = 120

SETTINGS = {
    "FIREWALKER_STEP_OVERTAKE_HELD_S": "2",
    **{f"FIREWALKER_{name}_LOG_LEVEL": "debug" for name in ("USER", "STEP", "NOTIFICATION", "TRANSCODER")},
}
"""What differs from the defaults: nobody wants to wait half a minute for the news of an overtake; and whatever processes can
write is written, for those who look whether it should be."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run this folder's tests on the loop that the backend's supervisor lives on."""
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    """What the backend's processes write."""
    return Journal(tmp_path_factory.mktemp("journal") / "backend.log")


@pytest.fixture(scope="session")
def given(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """Settings that lead to servers of the run: none, so that the backend has its own, unless the run has another ground."""
    if STARTED_BY not in request.config.stash:
        return {}
    ground: Ground = request.getfixturevalue("servers")
    return ground.backend()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running(
    tmp_path_factory: pytest.TempPathFactory, journal: Journal, given: Mapping[str, str]
) -> AsyncIterator[Backend]:
    """The backend, started once."""
    folder, settings = tmp_path_factory.mktemp("backend"), {**SETTINGS, **given}
    async with Backend.start(folder, settings=settings, within_s=READY_LIMIT_S, say=journal.say) as backend:
        yield backend


@pytest_asyncio.fixture(loop_scope="session")
async def backend(running: Backend, journal: Journal) -> AsyncIterator[Backend]:
    """The backend, ready; and ready again when the test is over, without a traceback in what its processes wrote.

    Clients that misbehave, servers that die and processes that stop are expected, so none of them is worth one.
    """
    await running.wait_ready(within_s=READY_LIMIT_S)
    journal.begin()
    yield running
    await running.wait_ready(within_s=READY_LIMIT_S)
    assert not journal.tracebacks, "\n".join(journal.tracebacks)


@pytest_asyncio.fixture(loop_scope="session")
async def town(backend: Backend) -> AsyncIterator[Town]:
    """gRPC clients of the three services, on connections of their own."""
    user, step, notification = (Grpc(backend.address(name)) for name in ("user", "step", "notification"))
    town = Town(user, step, notification)
    yield town
    for client in (town.user, town.step, town.notification):
        await client.close()


@pytest_asyncio.fixture(loop_scope="session")
async def rest(backend: Backend) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the transcoder."""
    async with httpx.AsyncClient(base_url=f"http://{backend.address('transcoder')}", timeout=60) as client:
        yield client
