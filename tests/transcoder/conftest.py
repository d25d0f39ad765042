"""A library server, a transcoder before it, and clients of both kinds: in memory, and over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from tests.support.waiting import until
from tests.transcoder.descriptors import library, library_bytes
from tests.transcoder.library_server import Library
from transcoder.app import Transcoder
from transcoder.backends import Address
from transcoder.config import Settings
from transcoder.server import http_server, listen


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(processors=[], logger_factory=lambda *_: structlog.testing.CapturingLogger())


@pytest.fixture
async def backend() -> AsyncIterator[Library]:
    served = Library()
    await served.start()
    yield served
    await served.stop()


@pytest.fixture
def settings(backend: Library) -> Callable[..., Settings]:
    """Settings that lead to the backend, with changes."""

    def make(**changes: Any) -> Settings:
        known = {"descriptor_set": Path("unused"), "backends": {"library": Address("127.0.0.1", backend.port)}}
        return Settings(**{**known, **changes})

    return make


@pytest.fixture
async def app_with(settings: Callable[..., Settings]) -> AsyncIterator[Callable[..., Transcoder]]:
    apps: list[Transcoder] = []

    def make(**changes: Any) -> Transcoder:
        apps.append(Transcoder(settings(**changes), library()))
        return apps[-1]

    yield make
    for app in apps:
        app._backends.close()
    await asyncio.sleep(0)


@pytest.fixture
def app(app_with: Callable[..., Transcoder]) -> Transcoder:
    return app_with()


def client_of(app: Transcoder) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 5000))
    return httpx.AsyncClient(transport=transport, base_url="http://transcoder")


async def answered(client: httpx.AsyncClient, url: str, status: int) -> None:
    """Ask until the answer has this status, for at most 20 s."""
    async with asyncio.timeout(60):
        while (await client.get(url)).status_code != status:  # noqa: ASYNC110 - each turn is a new request
            await asyncio.sleep(0.02)


@pytest.fixture
async def client(app: Transcoder) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as made:
        yield made


class Served:
    """A transcoder on a real port."""

    def __init__(self, app: Transcoder, server: Any, port: int) -> None:
        self.app = app
        self.server = server
        self.port = port
        self.url = f"http://127.0.0.1:{port}"


@pytest.fixture
async def serve(
    app_with: Callable[..., Transcoder], settings: Callable[..., Settings]
) -> AsyncIterator[Callable[..., Any]]:
    running: list[tuple[Any, asyncio.Task[None]]] = []

    async def start(**changes: Any) -> Served:
        app = app_with(**changes)
        server = http_server(settings(drain_timeout_s=2, **changes), app)
        listener = listen("127.0.0.1", 0)
        running.append((server, asyncio.create_task(server.serve(sockets=[listener]))))
        await until(lambda: server.started)
        return Served(app, server, listener.getsockname()[1])

    yield start
    for server, task in running:
        server.should_exit = True
        await task


@pytest.fixture(scope="session")
def descriptor_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("descriptors") / "library.binpb"
    path.write_bytes(library_bytes())
    return path
