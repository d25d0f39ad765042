"""Lines of children: cut out of what they write, and shown with the name of who wrote them."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Iterable

LONGEST_LINE_BYTES = 64 * 1024
"""A longer line is shown in pieces: a child that never ends its line must not fill our memory."""

COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
"""SGR numbers that read well on dark and light backgrounds, given to names in turn."""


async def split_lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """The lines of *stream* as text, without their ends; bytes that are no UTF-8 are replaced."""
    rest = b""
    while chunk := await stream.read(LONGEST_LINE_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > LONGEST_LINE_BYTES:
            lines.append(rest)
            rest = b""
        for line in lines:
            yield line.decode(errors="replace").rstrip("\r")
    if rest:
        yield rest.decode(errors="replace")


class Terminal:
    """Writes lines with the padded name of who says them; the names in colour if *stream* is a terminal.

    A reader that goes away (``make run | head``), or a terminal that is closed, silences it and harms nothing else.
    """

    def __init__(self, names: Iterable[str], stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._lost = False
        streams = (self._stream, sys.stdin, sys.stderr)
        self._terminals = [each.fileno() for each in streams if each is not None and not each.closed and each.isatty()]
        names = tuple(names)
        self._width = max(map(len, names), default=0)
        coloured = self._stream.isatty() and "NO_COLOR" not in os.environ
        self._prefixes = {
            name: self._prefix(name, COLOURS[index % len(COLOURS)] if coloured else None)
            for index, name in enumerate(names)
        }

    def say(self, name: str, line: str) -> None:
        """Write *line* under *name*."""
        self.write(f"{self._prefixes.get(name) or self._prefix(name, None)}{line}")

    def write(self, text: str) -> None:
        """Write *text* as it is, and a line end."""
        try:
            self._stream.write(f"{text}\n")
            self._stream.flush()
        except OSError as problem:
            if problem.errno == errno.EIO:  # what a terminal says that is gone
                self._lost = True
            self._silence()
        except ValueError:
            pass  # closed already

    def hung_up(self) -> bool:
        """Whether a terminal that we were started on has been closed; False if we were started without one."""
        if not self._lost:
            poll = select.poll()
            for descriptor in self._terminals:
                poll.register(descriptor, 0)  # POLLHUP is told unasked
            self._lost = any(event & select.POLLHUP for _, event in poll.poll(0))
        return self._lost

    def _silence(self) -> None:
        """Let what cannot be written go nowhere, or the interpreter would try once more at its end and complain."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def _prefix(self, name: str, colour: int | None) -> str:
        padded = f"{name:<{self._width}} | "
        return padded if colour is None else f"\033[{colour}m{padded}\033[0m"
