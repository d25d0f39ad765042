"""Frames read at once are those that hyperframe reads, and what it refuses is refused."""

from math import inf
from typing import Any

from h2.exceptions import ProtocolError
from hyperframe.exceptions import HyperframeError
from hyperframe.frame import DataFrame, HeadersFrame, PingFrame, WindowUpdateFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from firewalker.runtime.grpc.fragments import WEIGHT_OF_HEADERS, BoundedFrameBuffer
from firewalker.runtime.grpc.limits import Limits
from firewalker.runtime.grpc.quickframes import QuickFrameBuffer
from tests.service.grpc.raw import frame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAMES = st.builds(
    frame,
    st.sampled_from([0, 0, 1, 1, 8, 8, 3, 4, 6, 9, 200]),
    st.sampled_from([0, 1, 4, 5, 8, 0x20, 0x25, 0xFF]),
    st.sampled_from([0, 1, 3, 2**31 + 1, 2**31 - 1]),
    st.binary(max_size=60) | st.sampled_from([b"\0\0\0\1", b"\x80\0\0\0", bytes(4), b"\xff\xff\xff\xff"]),
)


def read(buffer: BoundedFrameBuffer, data: bytes, cut: int) -> list[Any]:
    """What the frames are, or the error that ends them."""
    buffer.max_frame_size = 40
    found: list[Any] = []
    try:
        for piece in (PREFACE + data[:cut], data[cut:]):
            buffer.add_data(piece)
            found += [(type(one), {**vars(one), "flags": set(one.flags)}) for one in buffer]
    except (ProtocolError, HyperframeError) as error:
        found.append(type(error))
    return found


@settings(max_examples=300)
@given(st.lists(FRAMES, max_size=6), st.integers(0, 200))
def test_both_ways_give_the_same(frames: list[bytes], cut: int) -> None:
    data = b"".join(frames)
    assert read(QuickFrameBuffer(Limits()), data, cut) == read(BoundedFrameBuffer(Limits()), data, cut)


def test_the_frequent_ones_are_read_at_once() -> None:
    class Watched(QuickFrameBuffer):
        """Does not know the long way."""

        def _update_header_buffer(self, f: Any) -> Any:
            raise AssertionError(f)

    data = frame(1, 5, 1, b"head") + frame(0, 1, 1, b"data") + frame(8, 0, 0, b"\0\0\0\1")
    kinds = [kind for kind, _ in read(Watched(Limits()), data, 0)]
    assert kinds == [HeadersFrame, DataFrame, WindowUpdateFrame]


def test_no_more_is_read_than_is_allowed() -> None:
    head, data, ping = frame(1, 4, 1, b"head"), frame(0, 0, 1, b"data"), frame(6, 0, 0, b"12345678")
    for buffer in (QuickFrameBuffer(Limits()), BoundedFrameBuffer(Limits())):
        buffer.max_frame_size = 40
        buffer.add_data(PREFACE + (head + data + ping) * 10)
        seen = []
        while buffer.allowance == inf or buffer.behind:
            buffer.allowance = 2 * (WEIGHT_OF_HEADERS + 2)
            seen.append([type(one) for one in buffer])
        assert seen == [[HeadersFrame, DataFrame, PingFrame] * 2] * 5
