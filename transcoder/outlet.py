"""What leaves a connection: one packet per turn of the loop, and an end for clients that do not read."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final

_TCP_USER_TIMEOUT: Final[int | None] = getattr(socket, "TCP_USER_TIMEOUT", None)

_LEAST_PROGRESS: Final = 49_152
"""Bytes that must leave in each patience, unless fewer wait: what asyncio's flow control asks of a stream as well."""

_LOOKS: Final = 5
"""How often a connection with unsent bytes is looked at in one patience: a dead reader is found that much late at most."""


class Outlet(asyncio.Transport):
    """A transport that sends what is written in one turn of the loop at once: headers and body are one packet.

    Bytes that wait unsent must move: whatever waited *patience_s* ago has left since, or at least 48 KiB of it have.
    Else the connection is aborted, whether an answer is being written, a new request is awaited or it is closing.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, patience_s: float) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._patience_s = patience_s
        self._pieces: list[bytes | bytearray | memoryview] = []
        self._unsent = transport.get_write_buffer_size
        self._written = 0
        self._wanted = 0
        self._until = 0.0
        self._look: asyncio.TimerHandle | None = None
        _end_when_unacknowledged(transport, patience_s)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep *data* for the end of this turn."""
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(data)

    def close(self) -> None:
        """Close after what has been written is sent."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Close now."""
        self._pieces.clear()
        self.forget()
        self._transport.abort()

    def forget(self) -> None:
        """The connection is gone: watch no longer."""
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def is_closing(self) -> bool:
        """Whether the connection is closing."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the real transport knows."""
        return self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand the connection over."""
        self._transport.set_protocol(protocol)

    def _flush(self) -> None:
        if self._pieces:
            data, self._pieces = b"".join(self._pieces), []
            self._written += len(data)
            self._transport.write(data)
            if self._look is None and self._unsent():
                self._expect()
                self._look_later()

    def _expect(self) -> None:
        unsent = self._unsent()
        self._wanted = self._written - max(0, unsent - _LEAST_PROGRESS)
        self._until = self._loop.time() + self._patience_s

    def _look_later(self) -> None:
        self._look = self._loop.call_later(self._patience_s / _LOOKS, self._look_now)

    def _look_now(self) -> None:
        self._look = None
        unsent = self._unsent()
        if not unsent:
            return
        if self._written - unsent >= self._wanted:
            self._expect()
        elif self._loop.time() >= self._until:
            self.abort()
            return
        self._look_later()


def _end_when_unacknowledged(transport: asyncio.Transport, patience_s: float) -> None:
    """The same for bytes that the kernel already holds, where it can: it may take megabytes for one connection."""
    sock = transport.get_extra_info("socket")
    if sock is not None and _TCP_USER_TIMEOUT is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, max(1, int(patience_s * 1000)))
        except OSError:
            return  # a client that has left already, or a kernel without it; what waits here is bounded above
