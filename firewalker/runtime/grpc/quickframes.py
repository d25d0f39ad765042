"""The frequent frames of a client, read at once: DATA, WINDOW_UPDATE, and HEADERS that are whole, none of them padded.

All others, and all that is odd about these, goes the way of h2 and hyperframe. Both ways give equal frames.
"""

from struct import Struct
from typing import Any, Final, cast

from hyperframe.flags import Flags
from hyperframe.frame import DataFrame, Frame, HeadersFrame, WindowUpdateFrame

from firewalker.runtime.grpc.fragments import WEIGHT_OF_HEADERS, BoundedFrameBuffer

_HEAD: Final = Struct(">HBBBL")
_HEAD_BYTES: Final = 9
_INCREMENT: Final = Struct(">L")
_INCREMENT_BYTES: Final = 4
_STREAM: Final = 2**31 - 1
_END_STREAM, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x4, 0x8, 0x20
_DATA, _HEADERS, _WINDOW_UPDATE = 0x0, 0x1, 0x8


def _flags(frame: type[Frame], *names: str) -> Flags:
    flags = Flags(frame.defined_flags)
    for name in names:
        flags.add(name)
    return flags


# Shared by all frames that have them: nobody changes the flags of a whole frame.
_DATA_FLAGS: Final = (_flags(DataFrame), _flags(DataFrame, "END_STREAM"))
_HEADERS_FLAGS: Final = (_flags(HeadersFrame, "END_HEADERS"), _flags(HeadersFrame, "END_HEADERS", "END_STREAM"))
_NO_FLAGS: Final = _flags(WindowUpdateFrame)


class QuickFrameBuffer(BoundedFrameBuffer):
    """A server's incoming bytes, as frames."""

    def __next__(self) -> Frame:
        data = self._data
        if len(data) < _HEAD_BYTES or self.allowance <= 0:
            raise StopIteration
        if not self._headers_buffer:
            high, low, kind, flags, stream_id = _HEAD.unpack_from(data)
            length = high << 8 | low
            if length <= self.max_frame_size and len(data) >= _HEAD_BYTES + length:
                frame = self._quick(kind, flags, stream_id & _STREAM, length)
                if frame is not None:
                    del data[: _HEAD_BYTES + length]
                    self.allowance -= WEIGHT_OF_HEADERS if kind == _HEADERS else 1
                    return frame
        return super().__next__()

    def _quick(self, kind: int, flags: int, stream_id: int, length: int) -> Frame | None:
        """The first frame, which is there with all its *length*, if it is one of the frequent ones."""
        if kind == _WINDOW_UPDATE:
            if length != _INCREMENT_BYTES:
                return None
            (increment,) = _INCREMENT.unpack_from(self._data, _HEAD_BYTES)
            if not 0 < increment <= _STREAM:
                return None
            update = _blank(WindowUpdateFrame, stream_id, _NO_FLAGS, length)
            update.window_increment = increment
            return cast("Frame", update)
        if not stream_id or flags & _PADDED:
            return None
        if kind == _DATA:
            frame = _blank(DataFrame, stream_id, _DATA_FLAGS[flags & _END_STREAM], length)
        elif kind == _HEADERS and flags & (_END_HEADERS | _PRIORITY) == _END_HEADERS:
            frame = _blank(HeadersFrame, stream_id, _HEADERS_FLAGS[flags & _END_STREAM], length)
            frame.depends_on, frame.stream_weight, frame.exclusive = 0, 0, False
        else:
            return None
        frame.pad_length = 0
        frame.data = bytes(self._data[_HEAD_BYTES : _HEAD_BYTES + length])
        return cast("Frame", frame)


def _blank(kind: type[Frame], stream_id: int, flags: Flags, length: int) -> Any:
    frame = kind.__new__(kind)
    frame.stream_id, frame.flags, frame.body_len = stream_id, flags, length
    return frame
