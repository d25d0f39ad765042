"""gRPC's own server (grpc.aio) behind the transcoder: an implementation of HTTP/2 and gRPC that is not ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import httpx
import pytest

from tests.transcoder.conftest import client_of
from tests.transcoder.descriptors import new
from transcoder.app import Transcoder
from transcoder.backends import Address

began = asyncio.Event()
"""That a slow call has reached the server."""


async def _titles(_request: bytes, _context: Any) -> bytes:
    return new("Titles", titles=["x" * 300_000]).SerializeToString()


async def _slow(request: bytes, context: Any) -> bytes:
    began.set()
    await asyncio.sleep(0.3)
    await context.abort(grpc.StatusCode.ABORTED, "grüße", (("x-a", "b"),))
    return request


async def _watch(_request: bytes, context: Any) -> AsyncIterator[bytes]:
    for number in range(3):
        yield new("Tick", number=number, padding="x" * 100_000).SerializeToString()
    await context.abort(grpc.StatusCode.DATA_LOSS, "gone")


_HANDLERS = {
    "ListTitles": grpc.unary_unary_rpc_method_handler(_titles),
    "Watch": grpc.unary_stream_rpc_method_handler(_watch),
    "Slow": grpc.unary_unary_rpc_method_handler(_slow),
}


@pytest.fixture
async def server() -> AsyncIterator[Any]:
    began.clear()
    made = grpc.aio.server()
    made.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("library.v1.LibraryService", _HANDLERS)])
    made.chosen_port = made.add_insecure_port("127.0.0.1:0")
    await made.start()
    yield made
    await made.stop(0)


@pytest.fixture
async def through(server: Any, app_with: Callable[..., Transcoder]) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app_with(backends={"library": Address("127.0.0.1", server.chosen_port)})) as client:
        yield client


async def test_unary_calls_and_large_answers(through: httpx.AsyncClient) -> None:
    assert (await through.get("/v1/titles")).json() == ["x" * 300_000]


async def test_streams_and_their_errors(through: httpx.AsyncClient) -> None:
    *ticks, last = (await through.get("/v1/ticks:watch")).text.splitlines()
    assert [json.loads(line)["number"] for line in ticks] == [0, 1, 2]
    assert json.loads(last)["error"] == {"code": 15, "message": "gone", "details": []}


async def test_a_method_that_the_server_lacks_is_a_501(through: httpx.AsyncClient) -> None:
    response = await through.post("/v1/books", json={})
    assert (response.status_code, response.json()["code"]) == (501, 12)


@pytest.mark.requirement("NET-42")
async def test_a_call_in_flight_survives_the_servers_graceful_stop(through: httpx.AsyncClient, server: Any) -> None:
    slow = asyncio.create_task(through.get("/v1/slow"))
    await asyncio.wait_for(began.wait(), 60)
    await server.stop(20)
    response = await slow
    assert (response.status_code, response.json()["message"]) == (409, "grüße")
