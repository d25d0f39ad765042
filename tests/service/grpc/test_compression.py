"""Compressed messages as they look on the wire: what is taken, what is refused, and what comes back how."""

import gzip
import resource
import zlib
from typing import Any

import grpc
import pytest

from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.grpc.server import GrpcServer
from tests.service.grpc.conftest import Bench, refusal
from tests.service.grpc.doors import RECORD, TRACK, RecordStepsRequest, RecordStepsResponse, StepDoor
from tests.service.grpc.raw import RawClient, framed, grpc_headers

LIMIT = 65_536
ZIPPED = ("grpc-encoding", "gzip")
TAKES_GZIP = ("grpc-accept-encoding", "identity, deflate, gzip")
READINGS = RecordStepsRequest(readings=[{}] * 3).SerializeToString()
LONG_ANSWER = RecordStepsResponse(results=[{"reason": "x" * 2_000}])


async def serve(bench: Bench, answer: Any = None, **rule: Any) -> GrpcServer:
    door = StepDoor(Rule(Caller.PUBLIC, **{"max_message_bytes": LIMIT, **rule}))
    if answer is not None:

        async def record(_: Any) -> Any:
            return answer

        door.on_record = record
    return await bench.serve(door)


async def call(client: RawClient, body: bytes, *headers: tuple[str, str]) -> tuple[dict[str, str], bytes]:
    stream = await client.request(grpc_headers(RECORD, *headers), body)
    return await client.ended(stream), client.body(stream)


async def test_a_compressed_message_is_read(bench: Bench) -> None:
    async with RawClient((await serve(bench)).port) as client:
        headers, body = await call(client, framed(gzip.compress(READINGS), flag=1), ZIPPED)
        assert headers["grpc-status"] == "0"
        assert len(RecordStepsResponse.FromString(body[5:]).results) == 3


async def test_members_of_one_gzip_file_are_one_message(bench: Bench) -> None:
    parts = gzip.compress(READINGS[:3]) + gzip.compress(READINGS[3:])
    async with RawClient((await serve(bench)).port) as client:
        assert (await call(client, framed(parts, flag=1), ZIPPED))[0]["grpc-status"] == "0"


async def test_a_call_with_gzip_may_hold_plain_messages(bench: Bench) -> None:
    async with RawClient((await serve(bench)).port) as client:
        body = framed(b"") + framed(gzip.compress(b""), flag=1) + framed(b"")
        stream = await client.request(grpc_headers(TRACK, ZIPPED), body)
        assert (await client.ended(stream))["grpc-status"] == "0"
        assert client.body(stream) == framed(b"") * 3


async def test_who_sends_gzip_is_answered_so_and_short_answers_are_plain(bench: Bench) -> None:
    for answer, flag in ((LONG_ANSWER, 1), (RecordStepsResponse(), 0)):
        async with RawClient((await serve(bench, answer)).port) as client:
            headers, body = await call(client, framed(gzip.compress(b""), flag=1), ZIPPED, TAKES_GZIP)
            assert headers["grpc-encoding"] == "gzip"
            assert "gzip" in headers["grpc-accept-encoding"]
            assert body[0] == flag
            data = gzip.decompress(body[5:]) if flag else body[5:]
            assert RecordStepsResponse.FromString(data) == answer


@pytest.mark.parametrize("headers", [(TAKES_GZIP,), (ZIPPED, ("grpc-accept-encoding", "identity")), ()])
async def test_who_has_not_asked_or_takes_none_is_answered_plainly(bench: Bench, headers: Any) -> None:
    async with RawClient((await serve(bench, LONG_ANSWER)).port) as client:
        got, body = await call(client, framed(b""), *headers)
        assert "grpc-encoding" not in got
        assert body == framed(LONG_ANSWER.SerializeToString())


@pytest.mark.requirement("NET-04")
@pytest.mark.parametrize("encoding", ["br", "deflate", "GZIP", "gzip, identity", "x" * 200])
async def test_an_unknown_encoding_is_refused_with_what_is_taken(bench: Bench, encoding: str) -> None:
    async with RawClient((await serve(bench)).port) as client:
        headers, _ = await call(client, framed(b"", flag=1), ("grpc-encoding", encoding))
        assert headers["grpc-status"] == "12"
        assert headers["grpc-accept-encoding"] == "identity,gzip"
        assert (await call(client, framed(b"")))[0]["grpc-status"] == "0"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (framed(gzip.compress(b""), flag=1), ()),
        (framed(gzip.compress(b""), flag=1), (("grpc-encoding", "identity"),)),
        (framed(gzip.compress(b""), flag=2), (ZIPPED,)),
        (framed(b"", flag=1), (ZIPPED,)),
        (framed(b"no gzip at all", flag=1), (ZIPPED,)),
        (framed(zlib.compress(b""), flag=1), (ZIPPED,)),
        (framed(gzip.compress(READINGS)[:-1], flag=1), (ZIPPED,)),
        (framed(gzip.compress(READINGS)[:-8] + bytes(8), flag=1), (ZIPPED,)),
        (framed(gzip.compress(READINGS) + b"more", flag=1), (ZIPPED,)),
    ],
    ids=[
        "unannounced",
        "identity",
        "flag 2",
        "empty",
        "garbage",
        "zlib",
        "cut short",
        "bad checksum",
        "trailing bytes",
    ],
)
async def test_what_cannot_be_inflated_is_malformed(bench: Bench, body: bytes, headers: Any) -> None:
    async with RawClient((await serve(bench)).port) as client:
        assert (await call(client, body, *headers))[0]["grpc-status"] == "3"
        assert (await call(client, framed(b"")))[0]["grpc-status"] == "0"
    assert not [entry for entry in bench.log.entries if entry["event"] == "bug"]


@pytest.mark.requirement("NET-01")
class TestBombs:
    async def test_a_bomb_is_refused_while_it_inflates(self, bench: Bench) -> None:
        bomb = gzip.compress(bytes(15_000_000), 9)
        assert len(bomb) < 16_384
        async with RawClient((await serve(bench)).port) as client:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            for _ in range(20):
                assert (await call(client, framed(bomb, flag=1), ZIPPED))[0]["grpc-status"] == "8"
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4096
            assert (await call(client, framed(b"")))[0]["grpc-status"] == "0"

    async def test_many_small_members_are_bounded_together(self, bench: Bench) -> None:
        member = gzip.compress(bytes(2_000), 9)
        async with RawClient((await serve(bench)).port) as client:
            assert (await call(client, framed(member * 300, flag=1), ZIPPED))[0]["grpc-status"] == "8"

    async def test_a_message_of_just_the_limit_passes(self, bench: Bench) -> None:
        message = RecordStepsRequest(readings=[{"device_id": "d" * (LIMIT - 8)}]).SerializeToString()
        for size, status in ((len(message), "0"), (len(message) - 1, "8")):
            server = await serve(bench, max_message_bytes=size)
            async with RawClient(server.port) as client:
                assert (await call(client, framed(gzip.compress(message), flag=1), ZIPPED))[0]["grpc-status"] == status

    async def test_a_bomb_in_a_stream_ends_that_stream_alone(self, bench: Bench) -> None:
        async with RawClient((await serve(bench)).port) as client:
            body = framed(b"") + framed(gzip.compress(bytes(10 * LIMIT)), flag=1) + framed(b"")
            stream = await client.request(grpc_headers(TRACK, ZIPPED), body, end=False)
            assert (await client.ended(stream))["grpc-status"] == "8"
            assert client.body(stream) == framed(b"")
            assert (await call(client, framed(b"")))[0]["grpc-status"] == "0"


async def test_grpcio_speaks_gzip_both_ways(bench: Bench) -> None:
    server = await serve(bench, LONG_ANSWER)
    unary = bench.channel(server).unary_unary(RECORD)
    answer = await unary(READINGS * 50, compression=grpc.Compression.Gzip, timeout=60)
    assert RecordStepsResponse.FromString(answer) == LONG_ANSWER
    error = await refusal(unary(READINGS * 50, compression=grpc.Compression.Deflate, timeout=60))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


class TestOneMessage:
    async def test_a_second_message_is_refused_however_late_it_comes(self, bench: Bench) -> None:
        door = StepDoor()
        async with RawClient((await bench.serve(door)).port) as client:
            stream = await client.request(grpc_headers(RECORD), framed(b""), end=False)
            # The first is not served before the client has said that it is the only one.
            await call(client, framed(b""))
            assert not client.headers(stream)
            client.h2.send_data(stream, framed(b""), end_stream=True)
            await client.flush()
            assert (await client.ended(stream))["grpc-status"] == "3"

    @pytest.mark.parametrize("more", [framed(b""), framed(b"x")[:-1], b"\0\0", framed(b"", length=2**31)])
    async def test_what_follows_it_is_refused_with_it(self, bench: Bench, more: bytes) -> None:
        async with RawClient((await serve(bench)).port) as client:
            assert (await call(client, framed(b"") + more))[0]["grpc-status"] in {"3", "8"}

    async def test_none_is_refused(self, bench: Bench) -> None:
        async with RawClient((await serve(bench)).port) as client:
            assert (await call(client, b""))[0]["grpc-status"] == "3"


@pytest.mark.requirement("NET-01")
async def test_an_answer_over_the_rules_size_is_not_sent(bench: Bench) -> None:
    server = await serve(bench, LONG_ANSWER, max_answer_bytes=1_000)
    error = await refusal(bench.channel(server).unary_unary(RECORD)(b"", timeout=60))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert bench.measures.calls(RECORD, "RESOURCE_EXHAUSTED") == 1
