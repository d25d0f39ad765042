"""How totals look in Redis and in the frames between processes. Bytes in, values out; no Redis here.

A user's total takes 12 bytes under a 16-byte field: revision (2), total (3), reached (4, milliseconds) and last
reading (3, seconds), both times counted from the moment the date began first on Earth. Big-endian, because the
scripts unpack the same bytes. The highest bit of the total says that it is held for review: so what is held counts as
more, and wins within its revision, as it has to. A frame is a header and such records, each behind its user id.
"""

from collections.abc import Sequence
from datetime import date
from struct import Struct
from typing import NamedTuple

from firewalker.step.domain.day import UserTotal, begin_ms

VALUE_BYTES = 12
RECORD_BYTES = 16 + VALUE_BYTES

_VALUE = Struct(">HBHIBH")  # 3-byte numbers as a byte and two: struct has no code for them
_RECORD = Struct(">16sHBHIBH")
_HEADER = Struct(">B8sI")  # format version, sending process, date as ordinal

_VERSION = 1
_MAX_TOTAL = 0x7F_FFFF
_HELD = 0x80_0000
_MAX_REACHED_MS = 0xFFFF_FFFF
_MAX_LAST_S = 0xFF_FFFF
_MAX_REVISION = 0xFFFF


class Frame(NamedTuple):
    """Totals of one date that changed, or were heard of again, in one commit or shortly after another."""

    date: date
    totals: Sequence[tuple[bytes, UserTotal]]
    """User ids as 16 bytes. What a receiver knows already may be newer: take `UserTotal.merged`."""


def pack_record(user: bytes, begin: int, known: UserTotal) -> bytes:
    """One user's 28 bytes; *begin* is `day.begin_ms` of the date.

    Times outside of what the bytes hold (49 days for reached, 194 for the last reading) are clamped to it.
    """
    steps = min(known.total, _MAX_TOTAL) | (_HELD if known.held else 0)
    reached = min(max(known.reached_ms - begin, 0), _MAX_REACHED_MS)
    last = min(max((known.last_reading_ms - begin) // 1000, 0), _MAX_LAST_S)
    revision = min(known.revision, _MAX_REVISION)
    return _RECORD.pack(user, revision, steps >> 16, steps & 0xFFFF, reached, last >> 16, last & 0xFFFF)


def unpack_value(value: bytes, begin: int) -> UserTotal:
    """The total in 12 bytes; *begin* as in `pack_record`.

    Raises:
        struct.error: They are not 12 bytes.
    """
    return _total(begin, _VALUE.unpack(value))


def pack_frame(sender: bytes, day: date, records: Sequence[bytes]) -> bytes:
    """A frame of packed records; *sender* is the 8-byte id of this process."""
    return b"".join((_HEADER.pack(_VERSION, sender, day.toordinal()), *records))


def frame_sender(message: bytes) -> bytes | None:
    """The 8-byte id of the process that sent *message*; None for no frame, or one of a later version."""
    if len(message) < _HEADER.size or message[0] != _VERSION:
        return None
    return message[1:9]


def unpack_frame(message: bytes) -> Frame:
    """The frame in *message*.

    Raises:
        ValueError: It is no frame of this version.
    """
    body = len(message) - _HEADER.size
    if frame_sender(message) is None or body % RECORD_BYTES:
        raise ValueError("not a frame of totals")
    try:
        day = date.fromordinal(_HEADER.unpack_from(message)[2])
        begin = begin_ms(day)
    except (ValueError, OverflowError) as error:
        raise ValueError("not a frame of totals: no such date") from error
    totals = [
        (record[0], _total(begin, record[1:])) for record in _RECORD.iter_unpack(memoryview(message)[_HEADER.size :])
    ]
    return Frame(day, totals)


def _total(begin: int, numbers: tuple[int, ...]) -> UserTotal:
    revision, high, low, reached, last_high, last_low = numbers
    steps = high << 16 | low
    held = steps > _MAX_TOTAL
    return UserTotal(steps & _MAX_TOTAL, begin + reached, begin + (last_high << 16 | last_low) * 1000, revision, held)
