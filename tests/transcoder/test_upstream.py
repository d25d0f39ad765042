"""The way to the services: restarts, drains, refusals, broken peers."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded
from hyperframe.frame import ExtensionFrame, GoAwayFrame

from firewalker.runtime.grpc.tls import ServerTls
from tests.support.certificates import Authority
from tests.support.waiting import until
from tests.transcoder.conftest import answered, client_of
from tests.transcoder.descriptors import new
from tests.transcoder.library_server import Library
from transcoder.app import Transcoder
from transcoder.backends import Address, Backends
from transcoder.errors import Problem
from transcoder.link import LinkSettings
from transcoder.upstream import Call

Make = Callable[..., Transcoder]


async def test_a_restarted_service_is_found_again(client: httpx.AsyncClient, backend: Library) -> None:
    assert (await client.get("/v1/titles")).status_code == 200
    await backend.stop()
    gone = await client.get("/v1/titles")
    assert (gone.status_code, gone.json()["code"], gone.headers["retry-after"]) == (503, 14, "1")
    assert gone.json()["details"][0]["reason"] == "BACKEND_UNAVAILABLE"
    assert "127.0.0.1" not in gone.text
    await backend.start(backend.port)
    await answered(client, "/v1/titles", 200)


async def test_a_service_that_dies_in_a_call_is_unavailable(client: httpx.AsyncClient, backend: Library) -> None:
    slow = asyncio.create_task(client.get("/v1/slow?wait_ms=60000"))
    await until(lambda: backend.running == 1)
    await backend.stop()
    response = await asyncio.wait_for(slow, 60)
    assert (response.status_code, response.json()["code"]) == (503, 14)


async def test_a_service_that_dies_in_a_stream_ends_it_with_an_error(
    client: httpx.AsyncClient, backend: Library
) -> None:
    watch = asyncio.create_task(client.get("/v1/ticks:watch?count=1&hang=true"))
    await until(lambda: backend.sent == 1)
    await backend.stop()
    response = await asyncio.wait_for(watch, 60)
    assert response.status_code == 200
    assert '{"error":{"code":14' in response.text


async def test_many_calls_at_once_share_few_connections(app: Transcoder, backend: Library) -> None:
    async with client_of(app) as client:
        responses = await asyncio.gather(*(client.get(f"/v1/slow?key={n}&wait_ms=50") for n in range(350)))
    assert [response.json()["key"] for response in responses] == [str(n) for n in range(350)]
    assert backend._server is not None
    assert len(backend._server.protocols) <= 5
    (place,) = app._backends.by_prefix["library"]._places
    link_count = len(place._links)
    await until(lambda: link_count >= len(place._links) <= 1)


async def test_calls_are_spread_over_the_addresses_of_a_service_and_go_past_one_that_is_away(
    app_with: Make, backend: Library
) -> None:
    second = Library()
    await second.start()
    app = app_with(backends={"library": (Address("127.0.0.1", backend.port), Address("127.0.0.1", second.port))})
    places = app._backends.by_prefix["library"]._places
    async with client_of(app) as client:
        await client.get("/v1/titles")
        await client.get("/v1/titles")
        await until(lambda: all(place.connected for place in places))
        before = len(backend.calls), len(second.calls)
        for _ in range(20):
            assert (await client.get("/v1/titles")).status_code == 200
        assert (len(backend.calls) - before[0], len(second.calls) - before[1]) == (10, 10)
        await second.stop()
        await until(lambda: not places[1].connected)
        for _ in range(20):
            assert (await client.get("/v1/titles")).status_code == 200
        await second.start(second.port)
        seen = len(second.calls)
        async with asyncio.timeout(60):
            while len(second.calls) == seen:
                assert (await client.get("/v1/titles")).status_code == 200
                await asyncio.sleep(0.02)
    await second.stop()


class Peer:
    """A scripted HTTP/2 server on one connection at a time, for what no good server does."""

    def __init__(self, script: Callable[[Peer, Event], None]) -> None:
        self.script = script
        self.connections = 0
        self.open = 0
        self.requests = 0
        self.h2: H2Connection
        self.writer: asyncio.StreamWriter

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        h2.initiate_connection()
        writer.write(h2.data_to_send())
        try:
            while data := await reader.read(65536):
                for event in h2.receive_data(data):
                    self.h2, self.writer = h2, writer
                    if isinstance(event, RequestReceived):
                        self.requests += 1
                    if isinstance(event, DataReceived):
                        h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    self.script(self, event)
                writer.write(h2.data_to_send())
        except ConnectionError:
            pass
        finally:
            writer.close()
            self.open -= 1

    def answer(self, stream_id: int, data: bytes | None = None, *, status: str = "0") -> None:
        """A whole unary answer."""
        headers = [(":status", "200"), ("content-type", "application/grpc")]
        body = new("Titles", titles=["x"]).SerializeToString()
        self.h2.send_headers(stream_id, headers)
        self.h2.send_data(stream_id, struct.pack(">BI", 0, len(body)) + body if data is None else data)
        self.h2.send_headers(stream_id, [("grpc-status", status)], end_stream=True)

    def frame(self, frame: Any) -> None:
        """A frame past h2's state machine."""
        self.writer.write(self.h2.data_to_send() + frame.serialize())


@asynccontextmanager
async def peered(script: Callable[[Peer, Event], None], make: Make, **changes: Any) -> AsyncIterator[Any]:
    peer = Peer(script)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    app = make(backends={"library.v1": Address("127.0.0.1", port)}, **changes)
    try:
        async with client_of(app) as client:
            yield peer, client, app
    finally:
        app._backends.close()
        server.close()
        await until(lambda: peer.open == 0)


def whole(action: Callable[[Peer, int], None]) -> Callable[[Peer, Event], None]:
    """A script that acts when a request is whole."""

    def script(peer: Peer, event: Event) -> None:
        if isinstance(event, StreamEnded) and event.stream_id is not None:
            action(peer, event.stream_id)

    return script


@pytest.mark.requirement("NET-42")
async def test_a_graceful_goaway_lets_calls_finish_and_new_ones_go_elsewhere(app_with: Make) -> None:
    def goodbye(peer: Peer, stream_id: int) -> None:
        peer.frame(GoAwayFrame(0, last_stream_id=2**31 - 1))
        peer.frame(GoAwayFrame(0, last_stream_id=stream_id))
        peer.answer(stream_id)

    async with peered(whole(goodbye), app_with) as (peer, client, _):
        for _ in range(3):
            assert (await client.get("/v1/titles")).json() == ["x"]
        assert peer.connections == 3


@pytest.mark.requirement("NET-42")
async def test_a_call_that_was_never_begun_is_sent_again(app_with: Make) -> None:
    def drop(peer: Peer, stream_id: int) -> None:
        if peer.requests == 1:
            peer.frame(GoAwayFrame(0, last_stream_id=0))
        elif peer.requests == 2:
            peer.h2.reset_stream(stream_id, 7)
        else:
            peer.answer(stream_id)

    async with peered(whole(drop), app_with) as (peer, client, _):
        assert (await client.get("/v1/titles")).json() == ["x"]
        assert peer.requests == 3


async def test_a_call_that_may_have_begun_is_not_sent_again(app_with: Make) -> None:
    async with peered(whole(lambda peer, stream: peer.h2.reset_stream(stream, 2)), app_with) as (peer, client, _):
        assert (await client.get("/v1/titles")).status_code == 503
        assert peer.requests == 1


async def test_a_backend_that_always_refuses_is_given_up(app_with: Make) -> None:
    async with peered(whole(lambda peer, stream: peer.h2.reset_stream(stream, 7)), app_with) as (peer, client, _):
        assert (await client.get("/v1/titles")).status_code == 503
        assert peer.requests == 3


async def test_unknown_frames_and_early_hints_are_ignored(app_with: Make) -> None:
    def odd(peer: Peer, stream_id: int) -> None:
        unknown = ExtensionFrame(type=0xBA, stream_id=0, body=b"x")
        unknown.body_len = 1
        peer.frame(unknown)
        peer.h2.send_headers(stream_id, [(":status", "103")])
        peer.answer(stream_id)

    async with peered(whole(odd), app_with) as (_, client, _app):
        assert (await client.get("/v1/titles")).json() == ["x"]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([(":status", "503")], 14),
        ([(":status", "404")], 12),
        ([(":status", "401")], 16),
        ([(":status", "302")], 2),
        ([(":status", "200"), ("content-type", "text/html")], 2),
        ([(":status", "200")], 2),
        ([(":status", "200"), ("grpc-status", "5")], 5),
        ([(":status", "200"), ("grpc-status", "99")], 2),
        ([(":status", "200"), ("grpc-status", "x")], 2),
        ([(":status", "200"), ("grpc-status", "0")], 13),
    ],
)
async def test_a_peer_that_answers_without_a_message_has_a_status(
    app_with: Make, headers: list[tuple[str, str]], code: int
) -> None:
    def answer(peer: Peer, stream_id: int) -> None:
        peer.h2.send_headers(stream_id, headers, end_stream=True)

    async with peered(whole(answer), app_with) as (_, client, _app):
        assert (await client.get("/v1/titles")).json()["code"] == code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x01\0\0\0\x01x", 13),
        (b"\0\xff\xff\xff\xff", 8),
        (b"\0\0\0\0\x05x", 14),
        (b"\0\0", 14),
        (b"\0\0\0\0\x01\xff", 13),
        (b"", 13),
    ],
)
async def test_a_broken_message_has_a_status(app_with: Make, data: bytes, code: int) -> None:
    async with peered(whole(lambda peer, stream: peer.answer(stream, data)), app_with) as (_, client, _app):
        response = await client.get("/v1/titles")
        assert response.json()["code"] == code
        assert response.json()["details"][0]["reason"]


async def test_an_answer_before_the_request_is_read_ends_the_call(app_with: Make) -> None:
    def refuse(peer: Peer, event: Event) -> None:
        if isinstance(event, RequestReceived):
            headers = [(":status", "200"), ("grpc-status", "8")]
            peer.h2.send_headers(event.stream_id, headers, end_stream=True)

    async with peered(refuse, app_with) as (_, client, _app):
        response = await client.post("/v1/books", json={"title": "x" * 500_000})
        assert response.json()["code"] == 8


async def test_a_backend_behind_tls_is_called_if_it_can_prove_who_it_is(app_with: Make, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = ServerTls(*authority.issue()).context()
    peer = Peer(whole(lambda peer, stream_id: peer.answer(stream_id)))
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0, ssl=tls)
    places = {"library.v1": Address("127.0.0.1", server.sockets[0].getsockname()[1])}
    for proof, status in ((authority.file, 200), (Authority(tmp_path, "other").file, 503), (None, 503)):
        app = app_with(backends=places, tls_ca_file=proof)
        async with client_of(app) as client:
            assert (await client.get("/v1/titles")).status_code == status
        app._backends.close()
    assert peer.requests == 1
    server.close()
    await until(lambda: peer.open == 0)


async def test_a_peer_that_speaks_no_http2_is_unavailable(app_with: Make) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    await unavailable(silent, app_with)


async def test_a_peer_that_says_nothing_is_unavailable(app_with: Make) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    await unavailable(silent, app_with)


async def unavailable(
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], make: Make
) -> None:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    address = Address("127.0.0.1", server.sockets[0].getsockname()[1])
    async with client_of(make(backends={"library": address}, connect_timeout_s=0.2)) as client:
        response = await client.get("/v1/titles")
    assert (response.status_code, response.json()["details"][0]["reason"]) == (503, "BACKEND_UNAVAILABLE")
    server.close()
    await asyncio.sleep(0.01)


async def test_a_dead_peer_is_noticed_while_a_call_is_open() -> None:
    lost = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        h2 = H2Connection(H2Configuration(client_side=False))
        h2.initiate_connection()
        writer.write(h2.data_to_send())
        while await reader.read(65536):
            pass  # reads and never answers, not even a ping
        lost.set()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    address = Address("127.0.0.1", server.sockets[0].getsockname()[1])
    backends = Backends(
        {"x": address},
        connect_timeout_s=10,
        max_links=1,
        settings=LinkSettings(ping_interval_s=0.05, ping_timeout_s=0.1),
    )
    call = Call(backends.by_prefix["x"], 100)
    with pytest.raises(Problem, match="went away"):
        await asyncio.wait_for(call.start(b"/x/y", [], b"\0\0\0\0\0"), 60)
    call.close()
    await asyncio.wait_for(lost.wait(), 60)
    server.close()


async def test_a_living_peer_is_pinged_and_kept(backend: Library) -> None:
    backends = Backends(
        {"x": Address("127.0.0.1", backend.port)},
        connect_timeout_s=10,
        max_links=1,
        settings=LinkSettings(ping_interval_s=0.02, ping_timeout_s=10),
    )
    call = Call(backends.by_prefix["x"], 100)
    request = new("SlowRequest", wait_ms=200).SerializeToString()
    await call.start(b"/library.v1.LibraryService/Slow", [], struct.pack(">BI", 0, len(request)) + request)
    assert await call.message() is not None
    await call.finish()
    call.close()
    backends.close()
    await asyncio.sleep(0)


def test_the_longest_prefix_wins() -> None:
    near, far = Address("a", 1), Address("b", 2)
    backends = Backends({"x.v1": near, "x": far, "x.v1.Special": far}, connect_timeout_s=1, max_links=1)
    assert backends.of("x.v1.Service") is backends.by_prefix["x.v1"]
    assert backends.of("x.v1.Special") is backends.by_prefix["x.v1.Special"]
    assert backends.of("x.v2.Service") is backends.by_prefix["x"]
    assert backends.of("y.v1.Service") is None
    assert backends.of("xx.Service") is None
    assert backends.by_prefix["x"] is backends.by_prefix["x.v1.Special"]
