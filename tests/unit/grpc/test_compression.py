"""gzip in bytes: what goes in comes out, and never more than may."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.kernel.faults import MalformedMessage, MessageTooLarge
from firewalker.runtime.grpc.compression import accepts_gzip, deflate, inflate


@given(st.binary(max_size=300), st.integers(1, 40))
def test_what_is_compressed_comes_back(piece: bytes, times: int) -> None:
    data = piece * times
    packed = deflate(data)
    if packed is not None:
        assert len(packed) < len(data)
        assert inflate(packed, len(data)) == data


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5))
def test_members_add_up_and_are_bounded_together(members: list[bytes]) -> None:
    packed = b"".join(gzip.compress(member) for member in members)
    whole = b"".join(members)
    assert inflate(packed, len(whole)) == whole
    if whole:
        with pytest.raises(MessageTooLarge):
            inflate(packed, len(whole) - 1)


@given(st.binary(max_size=200))
def test_anything_else_is_malformed_or_too_large(data: bytes) -> None:
    with pytest.raises((MalformedMessage, MessageTooLarge)):
        inflate(b"\x00" + data, 1_000)


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_piece_of_a_member_is_malformed(data: bytes, draw: st.DataObject) -> None:
    packed = gzip.compress(data)
    with pytest.raises(MalformedMessage):
        inflate(packed[: draw.draw(st.integers(0, len(packed) - 1))], 1_000)


@pytest.mark.parametrize(
    ("value", "taken"),
    [(b"gzip", True), (b"identity, deflate, gzip", True), (b"identity,gzip", True), (b"", False), (b"xgzip", False)],
)
def test_who_takes_gzip(value: bytes, *, taken: bool) -> None:
    assert accepts_gzip(value) is taken
