"""Header blocks that are known again mean what they would mean if they were decoded again: to one user, that user alone."""

from typing import Any

import pytest
from h2.events import RequestReceived
from hpack.exceptions import HPACKError
from hpack.hpack import Decoder
from hypothesis import given, settings
from hypothesis import strategies as st

from firewalker.runtime.grpc.h2fast import FastH2
from firewalker.runtime.grpc.heads import RequestHead
from firewalker.runtime.grpc.limits import Limits
from firewalker.runtime.grpc.protocol import H2_CONFIGURATION
from firewalker.runtime.grpc.seen_blocks import RememberingDecoder
from tests.service.grpc.raw import frame

NEWEST = b"\xbe"
"""The first entry of the dynamic table."""
REQUEST = b"\x83\x86\x04\x06/a.B/C\x0f\x10\x10application/grpc\x00\x02te\x08trailers"


def number(value: int, bits: int, pattern: int) -> bytes:
    """RFC 7541, 5.1: *value* in the last *bits* of a byte that begins with *pattern*, and in those behind it."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([pattern | value])
    found, value = [pattern | most], value - most
    while value >= 128:
        found.append(value % 128 + 128)
        value //= 128
    return bytes([*found, value])


def inserted(name: bytes, value: bytes) -> bytes:
    """A field that enters the dynamic table."""
    return b"\x40" + number(len(name), 7, 0) + name + number(len(value), 7, 0) + value


@pytest.mark.requirement("NET-08")
def test_a_user_who_pushes_another_out_of_the_table_is_not_taken_for_them() -> None:
    ann, bob = b"Bearer ann" + b"a" * 2_400, b"Bearer bob" + b"b" * 2_400
    for _ in range(50):  # whether an address is used again is a matter of luck
        made = FastH2(H2_CONFIGURATION)
        made.bound(Limits())
        made.initiate_connection()
        made.receive_data(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b""))
        # The third block fills the table twice over: none of the entries is left that were there before.
        whole_table = inserted(b"x-filler", b"x" * 2_600) + inserted(b"authorization", bob)
        blocks = (inserted(b"authorization", ann), NEWEST, whole_table, NEWEST)
        callers = []
        for place, block in enumerate(blocks):
            (event,) = made.receive_data(frame(1, 4, 2 * place + 1, REQUEST + block))
            assert isinstance(event, RequestReceived)
            callers.append(RequestHead.read(event.headers).authorization)
        assert callers == [ann, ann, bob, bob]


NAMES = st.sampled_from([b"authorization", b"a", b"b"])
# Entries of which the table takes one, two or three; and ones that it does not take, but that empty it.
VALUES = st.sampled_from([b"", b"x", b"y", b"x" * 1_300, b"y" * 1_300, b"x" * 2_500, b"y" * 2_500, b"z" * 5_000])
FIELDS = st.one_of(
    st.builds(inserted, NAMES, VALUES),
    st.builds(lambda entry: number(62 + entry, 7, 0x80), st.integers(0, 4)),
    st.builds(lambda entry: number(62 + entry, 6, 0x40) + b"\x01v", st.integers(0, 3)),
    st.builds(lambda entry: number(62 + entry, 4, 0) + b"\x01v", st.integers(0, 3)),
    st.sampled_from([b"\x83", b"\x86"]),
)
SIZES = st.sampled_from([0, 40, 1_400, 2_600, 4_096, 4_097]).map(lambda size: number(size, 5, 0x20))
BLOCKS = st.builds(
    lambda sizes, fields: b"".join([*sizes, *fields]),
    st.one_of(st.just([]), st.lists(SIZES, max_size=2)),
    st.lists(FIELDS, max_size=3),
)
AGAIN = st.sampled_from([NEWEST, b"\xbf", b"\xbe\xbf", b"\x83\x86", number(0, 5, 0x20) + number(4_096, 5, 0x20)])


def decoded(decoder: Decoder, block: bytes) -> list[Any] | type[HPACKError]:
    try:
        return list(decoder.decode(block, raw=True))
    except HPACKError as error:
        return type(error)


@settings(max_examples=500)
@given(st.lists(st.one_of(BLOCKS, AGAIN), max_size=15))
def test_whatever_comes_in_between_a_block_means_what_it_means(blocks: list[bytes]) -> None:
    plain, remembering = Decoder(), RememberingDecoder()
    # Each comes twice, and the small ones after all others.
    for block in [again for one in blocks for again in (one, NEWEST, b"\xbe\xbf", one)]:
        assert decoded(remembering, block) == decoded(plain, block)
        table = remembering.header_table
        assert (table.dynamic_entries, table.maxsize) == (
            plain.header_table.dynamic_entries,
            plain.header_table.maxsize,
        )


def test_a_block_that_broke_off_has_changed_what_the_others_mean() -> None:
    decoder = RememberingDecoder()
    decoder.decode(inserted(b"a", b"x"), raw=True)
    assert list(decoder.decode(NEWEST, raw=True)) == [(b"a", b"x")]
    with pytest.raises(HPACKError):
        decoder.decode(inserted(b"a", b"y") + b"\xff\xff\x01", raw=True)
    assert list(decoder.decode(NEWEST, raw=True)) == [(b"a", b"y")]


def test_what_came_before_is_known_again_while_the_table_stands() -> None:
    decoder = RememberingDecoder()
    decoder.decode(inserted(b"a", b"x"), raw=True)
    decoder.decode(NEWEST, raw=True)
    known = decoder.seen(NEWEST)
    assert known == [(b"a", b"x")]
    decoder.decode(b"\x83", raw=True)
    assert decoder.seen(NEWEST) is known
    decoder.decode(inserted(b"b", b""), raw=True)
    assert decoder.seen(NEWEST) is None
