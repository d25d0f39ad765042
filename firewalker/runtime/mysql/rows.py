"""Rows out of what a server sends: the text protocol's result sets, in pieces as they come. Asking is the connection's work.

The driver waits for each packet twice and takes each value out by several calls, which was the most of what freezing boards
and reading friend sets took (`python -m tests.bench.freezing`). What comes out is the same: the tests hold it against the driver.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from aiomysql.connection import MySQLResult
from pymysql.constants import CR, FIELD_TYPE
from pymysql.converters import through
from pymysql.err import OperationalError
from pymysql.protocol import MysqlPacket

from firewalker.runtime.mysql.literals import DECODERS

PIECE_BYTES = 32_768
"""What is taken in before others have the event loop: some 500 rows, or 1 ms."""

_LONGEST_PACKET = 0xFFFFFF
"""One of that length goes on in the next."""

_SHORTEST_ROW = 9
"""Of those that begin like the end: with a value so long that its length takes eight bytes."""

_NULL, _TWO_BYTES, _THREE_BYTES = 0xFB, 0xFC, 0xFD
_END, _ERROR = 0xFE, 0xFF
_BINARY = 63
"""The character set of what is no text."""

_TEXTS = frozenset(
    {
        FIELD_TYPE.BIT, FIELD_TYPE.BLOB, FIELD_TYPE.LONG_BLOB, FIELD_TYPE.MEDIUM_BLOB, FIELD_TYPE.STRING,
        FIELD_TYPE.TINY_BLOB, FIELD_TYPE.VAR_STRING, FIELD_TYPE.VARCHAR, FIELD_TYPE.GEOMETRY,
    }
)  # fmt: skip
"""Types whose values are text or bytes; all others are written in digits and letters, but for JSON."""

Decode: TypeAlias = Callable[[bytes], Any]


class Rows:
    """The rows of one result set, taken in piece by piece, from behind the number of its columns."""

    __slots__ = ("_columns", "_count", "_described", "_lacking", "_part", "_pieces", "_sequence", "end", "rows")

    def __init__(self, columns: int, sequence: int) -> None:
        """*sequence* is the number of the next packet, from 0 to 255."""
        self._count = columns
        self._sequence = sequence
        self._columns: list[Decode | None] = []
        self._described = False
        self._part = b""
        """What came of a packet that goes on in the next."""
        self._pieces: list[bytes] = []
        self._lacking = 0
        """How much is to come of the packet that begins in the pieces."""
        self.rows: list[tuple[Any, ...]] = []
        self.end: MysqlPacket | None = None
        """What stood at the end, once it has come."""

    def take(self, data: bytes) -> None:
        """Take the next *data* in.

        Raises:
            MySQLError: The server says that it cannot go on.
            ValueError, IndexError: This is no result.
        """
        if self._pieces:
            self._pieces.append(data)
            self._lacking -= len(data)
            if self._lacking > 0:
                return
            data = b"".join(self._pieces)
            self._pieces = []
        position, size = 0, len(data)
        while position < size and self.end is None:
            start = position + 4
            length = int.from_bytes(data[position : position + 3], "little") if start <= size else 0
            end = start + length
            if end > size:
                self._lacking = end - size
                self._pieces = [data[position:]]
                return
            self._count_packet(data[position + 3])
            position = end
            if length == _LONGEST_PACKET or self._part:
                self._part += data[start:end]
                if length == _LONGEST_PACKET:
                    continue
                whole, self._part = self._part, b""
                self._packet(whole, 0, len(whole))
            else:
                self._packet(data, start, end)
        if position < size:
            raise ValueError("there is something behind the end")

    def _count_packet(self, number: int) -> None:
        if number != self._sequence:
            if number == 0:  # so MySQL 8 takes leave
                raise OperationalError(CR.CR_SERVER_LOST, "the server has gone")
            raise ValueError("a packet is missing")
        self._sequence = (number + 1) & 0xFF

    def _packet(self, data: bytes, start: int, end: int) -> None:
        first = data[start]
        if first >= _END and (first == _ERROR or end - start < _SHORTEST_ROW):
            packet = MysqlPacket(data[start:end], "utf8")
            if first == _ERROR:
                packet.raise_for_error()
            if self._described:
                self.end = packet
            elif len(self._columns) == self._count:
                self._described = True
            else:
                raise ValueError("a column is missing")
        elif self._described:
            self.rows.append(_row(self._columns, data, start, end))
        else:
            # Names come first, of no interest here; the last 12 bytes are character set, width, type, flags and digits.
            self._columns.append(_decoder(data[end - 6], int.from_bytes(data[end - 12 : end - 10], "little")))


class RowsResult(MySQLResult):  # type: ignore[misc]  # aiomysql ships no types
    """The driver's result, whose rows are read by `Rows`."""

    async def _read_result_packet(self, first_packet: MysqlPacket) -> None:
        connection = self.connection
        found = Rows(first_packet.read_length_encoded_integer(), connection._next_seq_id)  # noqa: SLF001
        while True:
            try:
                data = await connection._reader.read(PIECE_BYTES)  # noqa: SLF001
            except OSError as error:
                raise OperationalError(CR.CR_SERVER_LOST, "lost while rows were read") from error
            if not data:
                raise OperationalError(CR.CR_SERVER_LOST, "lost while rows were read")
            found.take(data)
            if found.end is not None:
                break
            if len(data) == PIECE_BYTES:
                await asyncio.sleep(0)  # there may be more at once; without waiting nobody else would have a turn
        self._check_packet_is_eof(found.end)
        if self.has_next:
            raise ValueError("there is a second result")
        self.affected_rows = len(found.rows)
        self.rows = tuple(found.rows)


def _row(columns: Sequence[Decode | None], data: bytes, start: int, end: int) -> tuple[Any, ...]:
    row: list[Any] = []
    for decode in columns:
        length = data[start]
        start += 1
        if length >= _NULL:
            if length == _NULL:
                row.append(None)
                continue
            width = 2 if length == _TWO_BYTES else 3 if length == _THREE_BYTES else 8
            length = int.from_bytes(data[start : start + width], "little")
            start += width
        value = data[start : start + length]
        start += length
        row.append(value if decode is None else decode(value))
    if start != end:
        raise ValueError("a row has another length than its values")
    return tuple(row)


@lru_cache(maxsize=256)
def _decoder(kind: int, charset: int) -> Decode | None:
    """How values of a column become Python's; None for bytes that stay as they are."""
    convert: Callable[[Any], Any] = DECODERS.get(kind, through)
    if kind in _TEXTS and charset == _BINARY:
        return None if convert is through else convert
    if convert is through:
        return bytes.decode
    if convert in (int, float):
        return convert  # they read bytes as well
    return lambda value: convert(value.decode())
