"""The quick ways through h2's state tell the same as h2 does, and refuse what it refuses."""

from typing import Any

import pytest
from h2.events import DataReceived, RequestReceived, WindowUpdated
from h2.exceptions import ProtocolError
from h2.stream import StreamState
from hpack.hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from firewalker.runtime.grpc.h2fast import FastH2
from firewalker.runtime.grpc.h2state import HardenedH2
from firewalker.runtime.grpc.limits import Limits
from firewalker.runtime.grpc.protocol import H2_CONFIGURATION
from tests.service.grpc.raw import frame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
HEAD = ((":method", "POST"), (":path", "/a.B/C"), (":scheme", "http"), ("te", "trailers"))


def block(*more: tuple[str, str]) -> bytes:
    return Encoder().encode([*HEAD, *more])


# As grpcio's second call sends them: from the dynamic table, which it does not change any more.
PLAIN, SIZED, ANSWER = b"\x83\x84\x86", b"\x83\x84\x86\x0f\x0d\x013", b"\x88"
BLOCKS = st.sampled_from([PLAIN, PLAIN, PLAIN, SIZED, ANSWER, block(), block(("content-length", "3"))])
STREAMS = st.sampled_from([1, 1, 1, 3, 3, 5, 2])
FRAMES = st.one_of(
    st.builds(frame, st.just(1), st.sampled_from([4, 4, 4, 5]), STREAMS, BLOCKS),
    st.builds(frame, st.just(1), st.just(0x24), STREAMS, BLOCKS.map(lambda data: b"\0\0\0\0\x01" + data)),
    st.builds(frame, st.just(0), st.sampled_from([0, 0, 1]), STREAMS, st.sampled_from([b"", b"abc", b"a" * 200])),
    st.builds(frame, st.just(0), st.just(8), STREAMS, st.just(b"\x02abc\0\0")),
    st.builds(frame, st.just(3), st.just(0), STREAMS, st.just(b"\0\0\0\x08")),
    st.builds(frame, st.just(8), st.just(0), STREAMS, st.just(b"\0\0\0\x01")),
)


def connection(kind: type[HardenedH2]) -> HardenedH2:
    """One that has said hello, as `protocol.py` makes it."""
    made = kind(H2_CONFIGURATION)
    made.bound(Limits())
    made.initiate_connection()
    made.receive_data(PREFACE)
    made.data_to_send()
    return made


def heard(made: HardenedH2, data: bytes) -> list[Any]:
    """What it tells of *data*, or the error that ends it; and what it sends, and how its open streams are then."""
    told: list[Any] = []
    try:
        for one in made.receive_data(data):
            # Which window was opened nobody asks, so that one event serves for all.
            told.append("opened" if isinstance(one, WindowUpdated) else repr(one))
            told += [one.data, one.flow_controlled_length] if isinstance(one, DataReceived) else []
    except ProtocolError as error:
        told.append((type(error), error.error_code))
    told += [bytes(made.data_to_send()), made.inbound_flow_control_window, made.highest_inbound_stream_id]
    for stream_id, stream in made.streams.items():
        machine = stream.state_machine
        if machine.state is StreamState.CLOSED:
            continue  # one way forgets them sooner than the other
        told.append((stream_id, type(stream), machine.state, machine.client, machine.headers_received))
        told.append((stream.inbound_flow_control_window, stream.outbound_flow_control_window))
    return told


@settings(max_examples=200)
@given(st.lists(FRAMES, max_size=8))
def test_both_ways_tell_the_same(frames: list[bytes]) -> None:
    quick, slow = connection(FastH2), connection(HardenedH2)
    for data in frames:
        told = heard(slow, data)
        assert heard(quick, data) == told
        if any(isinstance(one, tuple) and isinstance(one[0], type) for one in told):
            # The connection is over: nobody asks it again.
            return


@pytest.mark.parametrize("kind", [FastH2, HardenedH2])
def test_a_call_may_end_at_once_or_later(kind: type[HardenedH2]) -> None:
    made = connection(kind)
    for stream_id in (1, 3):
        made.receive_data(frame(1, 4, stream_id, PLAIN))
    assert [type(one).__name__ for one in made.receive_data(frame(0, 1, 3, b"abc"))] == ["DataReceived", "StreamEnded"]
    assert [stream.state_machine.state for stream in made.streams.values()] == [
        StreamState.OPEN,
        StreamState.HALF_CLOSED_REMOTE,
    ]


def test_the_second_of_equal_calls_is_begun_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = connection(FastH2)
    made.receive_data(frame(1, 4, 1, PLAIN))
    monkeypatch.setattr(HardenedH2, "_receive_headers_frame", None)
    (request,) = made.receive_data(frame(1, 4, 3, PLAIN))
    assert isinstance(request, RequestReceived)
    assert [bytes(name) for name, _ in request.headers] == [b":method", b":path", b":scheme"]


def test_ended_streams_are_forgotten_all_the_same() -> None:
    made = connection(FastH2)
    for number in range(200):
        stream_id = 2 * number + 1
        made.receive_data(frame(1, 4, stream_id, PLAIN) + frame(3, 0, stream_id, b"\0\0\0\x08"))
    assert len(made.streams) <= 64
