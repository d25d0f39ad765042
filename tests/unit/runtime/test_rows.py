"""Rows are taken out of whatever pieces they come in: result sets as the protocol writes them, cut anywhere."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymysql.constants import FIELD_TYPE
from pymysql.err import MySQLError, OperationalError
from pymysql.protocol import MysqlPacket

from firewalker.runtime.mysql.rows import PIECE_BYTES, Rows, RowsResult

UTF8, BINARY = 224, 63
END = b"\xfe\x00\x00\x02\x00"
LONGEST = 0xFFFFFF

VALUES = {
    (FIELD_TYPE.VAR_STRING, UTF8): st.text(max_size=20),
    (FIELD_TYPE.BLOB, BINARY): st.binary(max_size=20) | st.sampled_from([250, 251, 65_535, 65_536]).map(bytes),
    (FIELD_TYPE.LONGLONG, BINARY): st.integers(-(2**63), 2**64 - 1),
}


def length_of(value: bytes) -> bytes:
    size = len(value)
    if size < 251:
        return bytes([size])
    mark, width = (b"\xfc", 2) if size < 1 << 16 else (b"\xfd", 3) if size < 1 << 24 else (b"\xfe", 8)
    return mark + size.to_bytes(width, "little")


def written(value: Any) -> bytes:
    if value is None:
        return b"\xfb"
    raw = value if isinstance(value, bytes) else str(value).encode()
    return length_of(raw) + raw


def column(kind: int, charset: int) -> bytes:
    names = b"".join(written(name) for name in ("def", "", "t", "t", "c", "c"))
    fixed = charset.to_bytes(2, "little") + bytes(4) + bytes([kind]) + bytes(5)
    return names + b"\x0c" + fixed


def packets(payloads: Sequence[bytes], first: int = 1) -> bytes:
    """As they are sent: what is too long for one packet goes on in the next."""
    sent, number = b"", first
    for whole in payloads:
        for start in range(0, len(whole) + 1, LONGEST):
            part = whole[start : start + LONGEST]
            sent += len(part).to_bytes(3, "little") + bytes([number & 0xFF]) + part
            number += 1
    return sent


def result(kinds: Sequence[tuple[int, int]], rows: Sequence[Sequence[Any]], first: int = 1) -> bytes:
    body = [b"".join(map(written, row)) for row in rows]
    return packets([*(column(*kind) for kind in kinds), END, *body, END], first)


@st.composite
def results(draw: st.DrawFn) -> tuple[list[tuple[int, int]], list[tuple[Any, ...]]]:
    kinds = draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=4))
    row = st.tuples(*(st.none() | VALUES[kind] for kind in kinds))
    return kinds, draw(st.lists(row, max_size=5))


@settings(max_examples=40)
@given(found=results(), cuts=st.lists(st.integers(0, 5_000), max_size=6), first=st.integers(0, 255))
def test_whatever_pieces_they_come_in(
    found: tuple[list[tuple[int, int]], list[tuple[Any, ...]]], cuts: list[int], first: int
) -> None:
    kinds, rows = found
    sent = result(kinds, rows, first)
    reading = Rows(len(kinds), first)
    edges = sorted({0, len(sent), *(cut % len(sent) for cut in cuts)})
    for start, stop in pairwise(edges):
        assert reading.end is None
        reading.take(sent[start:stop])
    assert reading.end is not None
    assert reading.rows == rows


def test_more_rows_than_packets_have_numbers() -> None:
    sent = result([(FIELD_TYPE.LONG, BINARY)], [(number,) for number in range(1_000)])
    reading = Rows(1, 1)
    for byte in sent:
        reading.take(bytes([byte]))
    assert reading.rows == [(number,) for number in range(1_000)]


def test_a_row_that_no_packet_holds() -> None:
    value = b"x" * (LONGEST + 3)
    sent = result([(FIELD_TYPE.LONG_BLOB, BINARY)], [(value,), (b"y",)])
    reading = Rows(1, 1)
    for start in range(0, len(sent), PIECE_BYTES):
        reading.take(sent[start : start + PIECE_BYTES])
    assert reading.rows == [(value,), (b"y",)]


def test_the_server_may_break_off_between_rows() -> None:
    columns = [column(FIELD_TYPE.LONG, BINARY), END]
    error = b"\xff" + (1969).to_bytes(2, "little") + b"#70100its time was up"
    with pytest.raises(MySQLError, match="its time was up") as caught:
        Rows(1, 1).take(packets([*columns, written(1), error]))
    assert caught.value.args[0] == 1969


@pytest.mark.parametrize(
    "sent",
    [
        packets([column(FIELD_TYPE.LONG, BINARY), END, written(1) + b"\x01", END]),  # more than its columns
        packets([column(FIELD_TYPE.LONG, BINARY), END, b"\x05" + b"1", END]),  # less than it says
        packets([column(FIELD_TYPE.LONG, BINARY), END, b"", END]),
        packets([END, END]),  # no column
        packets([column(FIELD_TYPE.LONG, BINARY)] * 2 + [END]),  # one too many
        packets([column(FIELD_TYPE.LONG, BINARY), END], 5),  # not the next packet
        packets([column(FIELD_TYPE.LONG, BINARY), END, END, END]),  # something behind the end
    ],
)
def test_what_is_no_result_is_refused(sent: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        Rows(1, 1).take(sent)


async def test_others_have_their_turns_while_many_rows_are_there_at_once() -> None:
    reader = asyncio.StreamReader()
    sent = result([(FIELD_TYPE.BLOB, BINARY)], [(b"x" * 100,)] * 3_000)
    reader.feed_data(sent)
    answer = RowsResult(SimpleNamespace(_reader=reader, _next_seq_id=1))
    reading = asyncio.create_task(answer._read_result_packet(MysqlPacket(b"\x01", "utf8")))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1
    await reading
    assert len(answer.rows) == answer.affected_rows == 3_000
    assert turns >= len(sent) // PIECE_BYTES


async def test_a_server_that_hangs_up_between_rows_is_lost() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(result([(FIELD_TYPE.LONG, BINARY)], [(1,)])[:-5])
    reader.feed_eof()
    answer = RowsResult(SimpleNamespace(_reader=reader, _next_seq_id=1))
    with pytest.raises(OperationalError) as caught:
        await answer._read_result_packet(MysqlPacket(b"\x01", "utf8"))
    assert caught.value.args[0] == 2013
