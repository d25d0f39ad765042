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
        return await asyncio.wait_for(reader.read(), 60)
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


@pytest.mark.parametrize(
    "head",
    [
        b"GET /v1/titles HTTP/1.1\r\n",
        b"GET  /v1/titles HTTP/1.1\r\nhost: x\r\n",
        b"GET /v1/titles  HTTP/1.1\r\nhost: x\r\n",
        b"GET /v1/titles HTTP/1.1\r\nhost: x\r\nhost: x\r\n",
        b"GET /v1/titles HTTP/1.1\r\nhost: x/y\r\n",
        b"GET http://y/v1/titles HTTP/1.1\r\nhost: x\r\n",
        b"GET http://a@x/v1/titles HTTP/1.1\r\nhost: x\r\n",
        b"GET ftp://x/v1/titles HTTP/1.1\r\nhost: x\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: x\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nhost: x:1\r\n",
    ],
)
@pytest.mark.parametrize("size", [1, 5, 1000])
async def test_what_rfc_9112_refuses_is_a_400_however_it_arrives(serve: Serve, head: bytes, size: int) -> None:
    served = await serve()
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    data = head + b"\r\n"
    for start in range(0, len(data), size):
        writer.write(data[start : start + size])
        await asyncio.sleep(0)
    answer = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    assert (status(answer), problem(answer)["details"][0]["reason"]) == (400, "MALFORMED_HTTP")


@pytest.mark.parametrize(
    "head",
    [
        b"GET http://X:80/v1/titles HTTP/1.1\r\nhost: x:80\r\nconnection: close\r\n",
        b"\r\n\r\nGET /v1/titles HTTP/1.1\r\nhost:\r\nconnection: close\r\n",
        b"GET /v1/titles HTTP/1.1\r\nhost: [::1]:80\r\nconnection: close\r\n",
        b"GET /v1/titles HTTP/1.0\r\n",
    ],
)
async def test_what_rfc_9112_allows_is_answered(serve: Serve, head: bytes) -> None:
    served = await serve()
    assert status(await talk(served.port, head + b"\r\n", then_close=False)) == 200


async def test_a_malformed_request_is_refused_after_the_answers_before_it(serve: Serve) -> None:
    served = await serve()
    slow = b"GET /v1/slow?wait_ms=200&key=k HTTP/1.1\r\nhost: x\r\n\r\n"
    answer = await talk(served.port, slow * 2 + b"NONSENSE\r\n\r\n" + slow, then_close=False)
    assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [200, 200, 400]


@pytest.mark.parametrize("size", [1, 3, 7, 1 << 20])
async def test_pipelined_requests_of_every_kind_are_all_answered_in_order(serve: Serve, size: int) -> None:
    served = await serve()
    post = b"POST /v1/books HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    kinds = [
        b"GET /v1/books/%d HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /v1/books/%d HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        post + b'content-length: 24\r\n\r\n{"name":"%03d" \r\n\r\n \r\n\r\n}',
        post + b'transfer-encoding: chunked\r\n\r\n15\r\n{"name":"%03d"\r\n\r\n   }\r\n0\r\nx-trailer: 1\r\n\r\n',
    ]
    data = b"".join(kinds[number % 4] % number for number in range(40))
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    for start in range(0, len(data), size):
        writer.write(data[start : start + size])
        if size < 100:
            await asyncio.sleep(0)
    for number in range(40):
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
        answer = json.loads(await reader.readexactly(length))
        assert int(answer["name"]) == number
    writer.close()


async def test_few_requests_are_parsed_ahead_and_reading_stops(serve: Serve) -> None:
    served = await serve()
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(b"GET /v1/slow?wait_ms=60000 HTTP/1.1\r\nhost: x\r\n\r\n" * 10_000)
    await until(lambda: served.server.server_state.tasks)
    (connection,) = served.server.server_state.connections
    await until(lambda: connection.flow.read_paused)
    assert len(connection.pipeline) == 7
    assert len(connection._rest) <= 65_536
    writer.transport.abort()
    connection.transport.abort()


@pytest.mark.parametrize("count", [1, 100])
async def test_a_client_that_does_not_read_its_answers_is_cut_off(serve: Serve, count: int) -> None:
    served = await serve(stream_send_timeout_s=0.5, request_timeout_s=30)
    body = b'{"title":"' + b"x" * 1_000_000 + b'"}'
    head = b"POST /v1/books HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)  # noqa: FBT003 - the standard library wants it so
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, ("127.0.0.1", served.port))
    sending = asyncio.create_task(loop.sock_sendall(sock, (head % len(body) + body) * count))
    await until(lambda: served.server.server_state.total_requests >= 1)
    await until(lambda: not served.server.server_state.connections, within_s=60)
    sending.cancel()
    await asyncio.wait({sending})
    sock.close()


@pytest.mark.alone
async def test_a_slow_client_that_goes_on_reading_is_not_cut_off(serve: Serve) -> None:
    served = await serve(stream_send_timeout_s=0.3)
    body = b'{"title":"' + b"x" * 1_000_000 + b'"}'
    head = b"POST /v1/books HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=4096)
    writer.write(head % len(body) + body)
    read = 0
    while read < 1_000_000:
        piece = await asyncio.wait_for(reader.read(60_000), 60)
        assert piece
        read += len(piece)
        await asyncio.sleep(0.02)
    writer.close()


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
