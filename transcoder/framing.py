"""Where on the wire one request ends, and the strictness that the parser lacks. Headers and bodies are the parser's.

The parser takes all it is given, however many requests that are. Here is found how much to give it so that at most one
request ends in it.
"""

from __future__ import annotations

import re
from typing import Final

_END: Final = b"\r\n\r\n"
"""What ends headers and chunked bodies; the parser refuses bare line feeds."""

_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?")
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)

_SPACES: Final = 2
"""Spaces in a request line, of which the parser would take any number."""


class Unacceptable(Exception):
    """A request that the parser would take and RFC 9112 does not; the text is for the client."""


class Framing:
    """Follows one connection from request to request.

    The protocol tells it what the parser found: :meth:`head_ended` and :meth:`ended`. *begun* is whether the next
    piece belongs to a request whose first byte has been seen.
    """

    __slots__ = ("_before", "_body_left", "_in_line", "_spaces", "begun")

    def __init__(self) -> None:
        self.begun = False
        self._before = b""
        self._body_left = 0
        self._in_line = True
        self._spaces = 0

    def cut(self, data: bytes, start: int) -> int:
        """The end of the piece of *data* to parse next: in it, nothing follows the end of a request."""
        if self._body_left:
            return min(len(data), start + self._body_left)
        before = self._before
        if before:
            found = (before + data[start : start + len(_END) - 1]).find(_END)
            if found >= 0:
                return start + found + len(_END) - len(before)
        found = data.find(_END, start)
        return len(data) if found < 0 else found + len(_END)

    def take(self, piece: bytes) -> None:
        """Note that *piece* is about to be parsed."""
        if self._in_line:
            self._read_line(piece)
        if self._body_left:
            self._body_left -= len(piece)
        elif piece.endswith(_END):
            self._before = b""
        else:
            self._before = (self._before + piece[-len(_END) + 1 :])[-len(_END) + 1 :]

    def head_ended(self, body_bytes: int) -> None:
        """The headers are over; *body_bytes* of body follow (0 where there is none, or it is chunked).

        Raises:
            Unacceptable: The request line was not three words with one space between them. Said here and not before,
                so that a client that is still sending its headers reads the refusal instead of a reset.
        """
        if self._spaces != _SPACES:
            raise Unacceptable("The request line must be method, target and version with one space between them.")
        self._body_left = body_bytes

    def ended(self) -> None:
        """The request is over; the next byte is another one's."""
        self.begun = False
        self._before = b""
        self._body_left = 0
        self._in_line = True
        self._spaces = 0

    def _read_line(self, piece: bytes) -> None:
        start = 0
        if not self.begun:
            start = len(piece) - len(piece.lstrip(b"\r\n"))  # empty lines before a request mean nothing
            if start == len(piece):
                return
            self.begun = True
        end = piece.find(b"\n", start)
        self._spaces += piece.count(b" ", start, len(piece) if end < 0 else end)
        if end >= 0:
            self._in_line = False


def origin_form(target: bytes, hosts: list[bytes], version: str) -> bytes:
    """The path and query of a request target; *hosts* are the values of all ``Host`` headers.

    Raises:
        Unacceptable: HTTP/1.1 without ``Host``, more than one, one that is no host, an absolute target of another
            host, or a target of another form.
    """
    if len(hosts) != 1 and (hosts or version == "1.1"):
        raise Unacceptable("Exactly one Host header is wanted.")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise Unacceptable("The Host header is not a host.")
    if target.startswith(b"/"):
        return target
    absolute = _ABSOLUTE.match(target)
    if absolute is None:
        raise Unacceptable("The request target must be a path.")
    if not absolute[1] or (hosts and absolute[1].lower() != hosts[0].lower()):
        raise Unacceptable("The request target names another host than the Host header.")
    path = target[absolute.end() :]
    return path if path.startswith(b"/") else b"/" + path
