"""Totals as bytes."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.step.domain.day import UserTotal, begin_ms
from firewalker.step.live.frames import VALUE_BYTES, frame_sender, pack_frame, pack_record, unpack_frame, unpack_value

DAY = date(2026, 5, 20)
BEGIN = begin_ms(DAY)
SENDER = b"sender.."

totals = st.builds(
    UserTotal,
    st.integers(0, 460_000),
    st.integers(0, 40 * 86_400_000).map(lambda ms: BEGIN + ms),
    st.integers(0, 190 * 86_400).map(lambda s: BEGIN + s * 1000),
    st.integers(0, 0xFFFF),
)


@given(st.lists(st.tuples(st.binary(min_size=16, max_size=16), totals)))
def test_a_frame_comes_out_as_it_went_in(sent: list[tuple[bytes, UserTotal]]) -> None:
    message = pack_frame(SENDER, DAY, [pack_record(user, BEGIN, total) for user, total in sent])
    assert frame_sender(message) == SENDER
    frame = unpack_frame(message)
    assert frame.date == DAY
    assert list(frame.totals) == sent


@given(totals)
def test_a_value_takes_twelve_bytes(total: UserTotal) -> None:
    value = pack_record(bytes(16), BEGIN, total)[16:]
    assert len(value) == VALUE_BYTES
    assert unpack_value(value, BEGIN) == total


def test_times_out_of_range_are_clamped() -> None:
    value = pack_record(bytes(16), BEGIN, UserTotal(1, 0, 1 << 60))[16:]
    assert unpack_value(value, BEGIN).reached_ms == BEGIN
    assert unpack_value(value, BEGIN).last_reading_ms == BEGIN + 0xFF_FFFF * 1000


@given(st.binary(max_size=60))
def test_what_is_no_frame_is_refused(message: bytes) -> None:
    if frame_sender(message) is not None and (len(message) - 13) % 28 == 0:
        return
    with pytest.raises(ValueError, match="not a frame"):
        unpack_frame(message)
