"""HTTP/1.1 as it comes off the wire: malformed, endless, slow, pipelined."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.waiting import until
from tests.transcoder.library_server import Library

Serve = Callable[..., Any]


async def talk(port: int, data: bytes, *, then_close: bool = True) -> bytes:
    """What comes back for *data* until the server closes (or has answered, if the client half-closes)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    if then_close:
        writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def problem(answer: bytes) -> Any:
    return json.loads(answer.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(
    "data",
    [
        b"NONSENSE\r\n\r\n",
        b"GET /v1/titles HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /v1/titles HTTP/9.9\r\n\r\n",
        b"GET /v1/\xff HTTP/1.1\r\n\r\n",
        b"POST /v1/books HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"POST /v1/books HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/books HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_no_http_request_is_a_400_as_json(serve: Serve, data: bytes) -> None:
    served = await serve()
    answer = await talk(served.port, data, then_close=False)
    assert status(answer) == 400
    assert b"content-type: application/json" in answer
    assert problem(answer)["details"][0]["reason"] == "MALFORMED_HTTP"


@pytest.mark.parametrize(
    "data",
    [
        b"GET /v1/titles?" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /v1/titles HTTP/1.1\r\n" + b"a: b\r\n" * 5_000,
        b"GET /v1/titles HTTP/1.1\r\na: " + b"x" * 20_000,
        b"G" * 20_000,
    ],
)
async def test_headers_above_the_limit_are_a_431(serve: Serve, data: bytes) -> None:
    served = await serve(max_header_bytes=10_000)
    answer = await talk(served.port, data, then_close=False)
    assert status(answer) in {400, 431}
    assert status(answer) == 431 or data.startswith(b"GGG")


async def test_headers_that_do_not_come_end_the_connection(serve: Serve) -> None:
    served = await serve(request_timeout_s=0.2)
    assert await talk(served.port, b"GET /v1/titles HTTP/1.1\r\n", then_close=False) == b""
    assert await talk(served.port, b"", then_close=False) == b""


async def test_a_body_that_does_not_come_is_a_408(serve: Serve) -> None:
    served = await serve(request_timeout_s=0.2)
    head = b"POST /v1/books HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{"
    answer = await talk(served.port, head, then_close=False)
    assert (status(answer), problem(answer)["code"]) == (408, 4)


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_forgotten(serve: Serve, backend: Library) -> None:
    served = await serve()
    head = b"POST /v1/books HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{"
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(head)
    await until(lambda: len(served.server.server_state.tasks) == 1)
    writer.transport.abort()
    await until(lambda: not served.server.server_state.tasks)
    assert backend.calls == []


async def test_connections_above_the_limit_are_a_503(serve: Serve) -> None:
    served = await serve(max_connections=1)
    _, first = await asyncio.open_connection("127.0.0.1", served.port)
    await until(lambda: len(served.server.server_state.connections) == 1)
    answer = await talk(served.port, b"GET /v1/titles HTTP/1.1\r\nhost: x\r\n\r\n", then_close=False)
    assert status(answer) == 503
    first.close()


async def test_one_connection_serves_many_requests(serve: Serve) -> None:
    served = await serve(max_header_bytes=2000)
    request = b"GET /v1/titles HTTP/1.1\r\nhost: x\r\n\r\n"
    large = b"POST /v1/books HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50000\r\n\r\n"
    last = b"GET /v1/titles HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    answer = await talk(served.port, request * 3 + large + b" " * 50_000 + last, then_close=False)
    assert answer.count(b"HTTP/1.1 200 OK") == 5


async def test_a_chunked_body_is_read(serve: Serve) -> None:
    served = await serve()
    head = b"POST /v1/books HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n"
    body = b'transfer-encoding: chunked\r\n\r\n4\r\n{"ti\r\n8\r\ntle":"x"\r\n1\r\n}\r\n0\r\n\r\n'
    assert problem(await talk(served.port, head + body, then_close=False))["title"] == "x"


async def test_the_raw_path_decides_not_the_decoded_one(serve: Serve) -> None:
    served = await serve()
    tail = b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    good = await talk(served.port, b"GET /v1/books/a%2Fb" + tail, then_close=False)
    assert problem(good)["name"] == "a/b"
    for path in (b"a%zz", b"a%ff"):
        answer = await talk(served.port, b"GET /v1/books/" + path + tail, then_close=False)
        assert (status(answer), problem(answer)["details"][0]["reason"]) == (400, "MALFORMED_PATH")


async def test_answers_are_not_held_back_by_nagles_algorithm(serve: Serve) -> None:
    served = await serve()
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    await until(lambda: served.server.server_state.connections)
    (connection,) = served.server.server_state.connections
    assert connection.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    writer.close()
