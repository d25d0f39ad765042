"""Server streams over real sockets: SSE and NDJSON, errors before and after the first message, slow and gone readers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.support.waiting import until
from tests.transcoder.library_server import Library

SSE = {"accept": "text/event-stream"}
Serve = Callable[..., Any]


async def get(url: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(url, headers=headers)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/event-stream", "text/event-stream"),
        ("application/json;q=0.5, text/event-stream", "text/event-stream"),
        ("text/event-stream;q=0.5, application/x-ndjson", "application/x-ndjson"),
        ("text/event-stream;q=0", "application/x-ndjson"),
        ("text/event-stream;q=x", "application/x-ndjson"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("application/json", "application/x-ndjson"),
        ("*/*", "application/x-ndjson"),
    ],
)
async def test_the_format_of_a_stream_follows_accept(client: httpx.AsyncClient, accept: str, kind: str) -> None:
    response = await client.get("/v1/ticks:watch?count=1", headers={"accept": accept})
    assert response.headers["content-type"] == kind


async def test_sse_has_a_data_line_for_each_message(serve: Serve) -> None:
    served = await serve()
    response = await get(served.url + "/v1/ticks:watch?count=2&padding=1", **SSE)
    assert response.text == ('data: {"number":0,"padding":"x"}\n\ndata: {"number":1,"padding":"x"}\n\n')
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"


async def test_ndjson_has_a_line_for_each_message(serve: Serve) -> None:
    served = await serve()
    response = await get(served.url + "/v1/ticks:watch?count=3")
    assert [json.loads(line)["number"] for line in response.text.splitlines()] == [0, 1, 2]


async def test_an_empty_stream_is_an_empty_body(serve: Serve) -> None:
    served = await serve()
    assert (await get(served.url + "/v1/ticks:watch")).text == ""
    assert (await get(served.url + "/v1/ticks:watch", **SSE)).text == ""


@pytest.mark.parametrize("headers", [SSE, {}])
async def test_an_error_before_the_first_message_has_its_http_status(serve: Serve, headers: dict[str, str]) -> None:
    served = await serve()
    response = await get(served.url + "/v1/ticks:watch?code=5", **headers)
    assert (response.status_code, response.json()["code"]) == (404, 5)
    assert response.headers["content-type"] == "application/json"


async def test_an_error_after_the_first_message_is_a_last_record(serve: Serve) -> None:
    served = await serve()
    sse = await get(served.url + "/v1/ticks:watch?count=1&code=9", **SSE)
    assert sse.text.endswith('event: error\ndata: {"code":9,"message":"no more","details":[]}\n\n')
    lines = (await get(served.url + "/v1/ticks:watch?count=1&code=9")).text.splitlines()
    assert json.loads(lines[-1]) == {"error": {"code": 9, "message": "no more", "details": []}}


async def test_a_quiet_stream_opens_and_is_kept_alive(serve: Serve) -> None:
    served = await serve(stream_first_message_s=0.05, stream_keepalive_s=0.05)
    for query, beginning in (
        ("count=0", [": keep-alive"] * 2),
        ("count=1", ['data: {"number":0,"padding":""}', ": keep-alive"]),
    ):
        async with (
            httpx.AsyncClient(timeout=60) as client,
            client.stream("GET", f"{served.url}/v1/ticks:watch?hang=true&{query}", headers=SSE) as response,
        ):
            lines = response.aiter_lines()
            assert response.status_code == 200
            for line in beginning:
                assert (await anext(lines), await anext(lines)) == (line, "")


async def test_an_error_of_a_stream_that_is_open_already_is_a_record(serve: Serve) -> None:
    served = await serve(stream_first_message_s=0.05, stream_keepalive_s=5)
    response = await get(served.url + "/v1/ticks:watch?hang=true", **SSE, **{"grpc-timeout": "1S"})
    assert response.status_code == 200
    assert '"code":4' in response.text.partition("event: error")[2]


async def test_a_stream_ends_at_its_longest_age(serve: Serve) -> None:
    served = await serve(stream_max_age_s=1.5)
    response = await get(served.url + "/v1/ticks:watch?count=1&hang=true", **SSE)
    assert '"code":4' in response.text.partition("event: error")[2]


async def test_a_client_that_leaves_cancels_the_stream(serve: Serve, backend: Library) -> None:
    served = await serve()
    async with (
        httpx.AsyncClient() as client,
        client.stream("GET", served.url + "/v1/ticks:watch?count=1&hang=true", headers=SSE) as response,
    ):
        await anext(response.aiter_lines())
    await asyncio.wait_for(backend.cancelled.wait(), 60)
    await until(lambda: served.app._caller.open_streams == 0)


async def test_a_client_that_leaves_cancels_the_stream_behind_which_other_requests_wait(
    serve: Serve, backend: Library
) -> None:
    served = await serve(stream_first_message_s=0.05, stream_keepalive_s=0.05)
    watch = b"GET /v1/ticks:watch?count=1&hang=true HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(watch + b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 2)
    await reader.readuntil(b"data: ")
    writer.transport.abort()
    await asyncio.wait_for(backend.cancelled.wait(), 60)
    await until(lambda: served.app._caller.open_streams == 0)


async def test_a_client_that_leaves_cancels_a_unary_call(serve: Serve, backend: Library) -> None:
    served = await serve()
    async with httpx.AsyncClient() as client:
        leaving = asyncio.create_task(client.get(served.url + "/v1/slow?wait_ms=60000"))
        await until(lambda: backend.running == 1)
        leaving.cancel()
    await asyncio.wait_for(backend.cancelled.wait(), 60)


async def test_a_slow_reader_slows_its_own_stream_and_is_cut_off(serve: Serve, backend: Library) -> None:
    served = await serve(stream_send_timeout_s=2)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
    writer.write(b"GET /v1/ticks:watch?count=100000&padding=10000 HTTP/1.1\r\nhost: x\r\n\r\n")
    await reader.readline()
    await until(lambda: served.app._caller.open_streams == 1)
    assert (await get(served.url + "/v1/ticks:watch?count=300&padding=10000")).text.count("\n") == 300
    await asyncio.wait_for(backend.cancelled.wait(), 60)
    assert backend.sent < 5000
    await until(lambda: served.app._caller.open_streams == 0)
    writer.close()


async def test_streams_above_the_limit_are_refused(serve: Serve) -> None:
    served = await serve(max_streams=1)
    async with (
        httpx.AsyncClient() as client,
        client.stream("GET", served.url + "/v1/ticks:watch?count=1&hang=true") as response,
    ):
        await anext(response.aiter_lines())
        refused = await get(served.url + "/v1/ticks:watch?count=1")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert (await get(served.url + "/v1/titles")).status_code == 200


async def test_more_streams_than_one_connection_carries_are_open_at_once(serve: Serve, backend: Library) -> None:
    served = await serve()
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=None)) as client:
        url = served.url + "/v1/ticks:watch?count=1&hang=true"

        async def watch() -> None:
            async with client.stream("GET", url) as response:
                await anext(response.aiter_lines())
                await enough.wait()

        enough = asyncio.Event()
        watchers = [asyncio.create_task(watch()) for _ in range(150)]
        await until(lambda: backend.running == 150, within_s=60)
        enough.set()
        await asyncio.gather(*watchers)
    await until(lambda: backend.running == 0)


async def test_a_stream_of_http_bodies_is_their_bytes(serve: Serve) -> None:
    served = await serve()
    response = await get(served.url + "/v1/download?count=3")
    assert (response.content, response.headers["content-type"]) == (b"0\n1\n2\n", "text/csv")
    assert (await get(served.url + "/v1/download?code=5")).status_code == 404
    with pytest.raises(httpx.RemoteProtocolError):
        await get(served.url + "/v1/download?count=1&code=5")


async def test_head_of_a_stream_is_its_headers(serve: Serve, backend: Library) -> None:
    served = await serve()
    async with httpx.AsyncClient() as client:
        response = await client.head(served.url + "/v1/ticks:watch?count=1&hang=true", headers=SSE)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream")
    await until(lambda: backend.running == 0)


async def test_a_drain_ends_streams_with_a_reason_and_lets_calls_finish(serve: Serve, backend: Library) -> None:
    served = await serve()
    async with (
        httpx.AsyncClient() as client,
        client.stream("GET", served.url + "/v1/ticks:watch?count=1&hang=true", headers=SSE) as response,
    ):
        lines = response.aiter_lines()
        await anext(lines)
        slow = asyncio.create_task(client.get(served.url + "/v1/slow?wait_ms=500&key=k"))
        await until(lambda: backend.running == 2)
        served.app.end_streams()
        served.server.should_exit = True
        rest = "\n".join([line async for line in lines])
        assert "event: error" in rest
        assert "SERVER_DRAINING" in rest
        assert (await slow).json()["key"] == "k"
