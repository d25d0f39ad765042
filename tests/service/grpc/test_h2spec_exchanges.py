"""h2spec's cases of section 8: requests that break HTTP. A stream error each, and the connection lives on."""

from collections.abc import Callable

import pytest

from tests.service.grpc.conftest import Bench
from tests.service.grpc.doors import RECORD, StepDoor
from tests.service.grpc.h2spec import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    MESSAGE,
    PROTOCOL,
    Answered,
    Case,
    FramePeer,
    broken,
    play,
    reset,
    table,
)
from tests.service.grpc.raw import Pairs, frame, grpc_headers


def request(*more: tuple[str, str], drop: str = "", first: tuple[str, str] | None = None) -> Pairs:
    pairs = grpc_headers(RECORD, *more, drop=(drop,))
    return pairs if first is None else [first, *pairs]


def bad(section: str, title: str, headers: Pairs) -> Case:
    """A request with those headers is malformed."""

    def send(peer: FramePeer) -> bytes:
        return frame(HEADERS, END_HEADERS, 1, peer.block(headers)) + frame(DATA, END_STREAM, 1, MESSAGE)

    return Case(section, title, send, reset(PROTOCOL))


def trailers(*pairs: tuple[str, str], flags: int = END_HEADERS | END_STREAM) -> Callable[[FramePeer], bytes]:
    def send(peer: FramePeer) -> bytes:
        return peer.head() + frame(DATA, 0, 1, MESSAGE) + frame(HEADERS, flags, 1, peer.block(list(pairs)))

    return send


CASES = [
    Case(
        "8.1",
        "a second HEADERS without END_STREAM",
        trailers(("x-test", "ok"), flags=END_HEADERS),
        broken(PROTOCOL),
        "a stream error asked for; h2 takes it as the connection's, which RFC 9113 5.4.2 allows",
    ),
    bad("8.1.2", "a name in upper case", request(("X-TEST", "ok"))),
    bad("8.1.2", "a name with a blank", request(("x test", "ok"))),
    bad("8.1.2", "a value with a line feed", request(("x-test", "a\nb"))),
    bad("8.1.2.1", "an unknown pseudo-header", request(first=(":test", "ok"))),
    bad("8.1.2.1", "a pseudo-header of answers", request(first=(":status", "200"))),
    Case("8.1.2.1", "a pseudo-header in trailers", trailers((":method", "200")), reset(PROTOCOL)),
    Case("8.1.2.1", "a name in upper case in trailers", trailers(("X-Test", "1")), reset(PROTOCOL)),
    bad("8.1.2.1", "a pseudo-header after others", [*request(drop=":path"), (":path", RECORD)]),
    bad("8.1.2.2", "connection", request(("connection", "keep-alive"))),
    bad("8.1.2.2", "transfer-encoding", request(("transfer-encoding", "chunked"))),
    bad("8.1.2.2", "te with more than trailers", [*request(drop="te"), ("te", "trailers, deflate")]),
    bad("8.1.2.3", "an empty path", request(first=(":path", ""), drop=":path")),
    bad("8.1.2.3", "no method", request(drop=":method")),
    bad("8.1.2.3", "no scheme", request(drop=":scheme")),
    bad("8.1.2.3", "no path", request(drop=":path")),
    bad("8.1.2.3", "two methods", request(first=(":method", "POST"))),
    bad("8.1.2.3", "two schemes", request(first=(":scheme", "http"))),
    bad("8.1.2.3", "two paths", request(first=(":path", RECORD))),
    bad("8.1.2.6", "a content-length shorter than the body", request(("content-length", "1"))),
    bad("8.1.2.6", "a content-length longer than the body", request(("content-length", "9"))),
    bad("8.1.2.6", "a content-length that is no number", request(("content-length", "five"))),
    bad("8.1.2.6", "two lengths", request(("content-length", "5"), ("content-length", "5"))),
    Case(
        "8.1.2.6",
        "a content-length unequal to the sum of several frames",
        lambda p: (
            p.head(1, RECORD, ("content-length", "1"))
            + frame(DATA, 0, 1, MESSAGE[:1])
            + frame(DATA, END_STREAM, 1, MESSAGE[1:])
        ),
        reset(PROTOCOL),
    ),
    Case("8.1.2.6", "the right content-length", lambda p: p.call(1, ("content-length", "5")), Answered()),
]


@pytest.mark.requirement("NET-03", "NET-12")
@table(*CASES)
async def test_requests(bench: Bench, case: Case) -> None:
    await play(case, (await bench.serve(StepDoor())).port)
