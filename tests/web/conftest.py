"""One backend and one Chromium for all tests of the page, on one event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from firewalker.local.backend import Backend
from tests.support.journal import Journal
from tests.web import chromium
from tests.web.browsing import People
from tests.web.household import Household, settle

READY_LIMIT_S = 90

SETTINGS = {"FIREWALKER_STEP_OVERTAKE_HELD_S": "2"}
"""What differs from the defaults: nobody wants to wait half a minute for the news of an overtake."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run every test on the loop that browser and supervisor live on."""
    for item in items:
        if pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the backend keeps what it keeps."""
    return tmp_path_factory.mktemp("backend")


@pytest.fixture(scope="session")
def mails(folder: Path) -> Path:
    """Where the mails go that it would send."""
    return folder / "mail"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def backend(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Backend]:
    """The backend on free ports, with data of its own; without a traceback in what its processes wrote."""
    journal = Journal(tmp_path_factory.mktemp("journal") / "backend.log")
    async with Backend.start(folder, settings=SETTINGS, within_s=READY_LIMIT_S, say=journal.say) as running:
        yield running
    assert not journal.tracebacks, "\n".join(journal.tracebacks)


@pytest.fixture(scope="session")
def site(backend: Backend) -> str:
    """Where the page is."""
    return f"http://{backend.address('transcoder')}"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    found = chromium.find(lambda _line: None)
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=found.path, args=found.arguments(), env={**chromium.plain(), **found.environment}
        )
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="session")
async def people(browser: Browser, site: str) -> AsyncIterator[People]:
    """Opens browsers. A test fails if any of them saw an error that the test did not expect."""
    made = People(browser, site)
    yield made
    problems = await made.leave()
    assert not problems, "\n".join(problems)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def client(site: str) -> AsyncIterator[httpx.AsyncClient]:
    """For those who use another client than the page."""
    async with httpx.AsyncClient(base_url=site, timeout=30) as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def household(client: httpx.AsyncClient) -> Household:
    """People to look at. Tests that change something bring their own."""
    return await settle(client)
