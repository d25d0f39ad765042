"""The grammar of ``google.api.http`` path templates. Matching lives in :mod:`transcoder.routes`.

Template = "/" Segments [ ":" LITERAL ]; a segment is ``*``, ``**``, a literal or a variable ``{path=segments}``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from transcoder.percent import MalformedPercent, decode_segment

_LITERAL: Final = re.compile(r"[A-Za-z0-9._~!$&'()+,;=@%-]+")
_FIELD_PATH: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")


class Wild(Enum):
    """Segments that match by shape."""

    ONE = "*"
    """Exactly one segment."""

    REST = "**"
    """Zero or more segments, to the end of the path."""


Segment = str | Wild
"""A literal, percent-decoded, or a wildcard."""


class TemplateError(ValueError):
    """A path template that the grammar does not allow; the text says where."""


@dataclass(frozen=True, slots=True)
class Capture:
    """Which segments a variable takes: from *start* up to *end*, or to the end of the path if that is None.

    *single* is true for ``{v}`` and ``{v=*}``, whose value is decoded wholly; other values keep ``%2F`` as it came.
    """

    field_path: str
    start: int
    end: int | None
    single: bool


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template: its segments with the variables flattened away, what they capture, and the verb or ""."""

    text: str
    segments: tuple[Segment, ...]
    captures: tuple[Capture, ...]
    verb: str

    @property
    def shape(self) -> str:
        """The template without variable names; two rules of one shape match the same paths."""
        path = "".join("/" + (part.value if isinstance(part, Wild) else part) for part in self.segments)
        return f"{path}:{self.verb}" if self.verb else path


def parse(text: str) -> Template:
    """Parse a path template.

    Raises:
        TemplateError: The grammar is broken, ``**`` is not last, a variable is nested or named twice.
    """
    return _Parser(text).template()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._segments: list[Segment] = []
        self._captures: list[Capture] = []

    def template(self) -> Template:
        self._expect("/")
        self._segment_list(inside=False)
        verb = ""
        if self._take(":"):
            verb = self._literal()
        if self._at != len(self._text):
            raise self._error("unexpected text")
        names = [capture.field_path for capture in self._captures]
        if len(set(names)) != len(names):
            raise self._error("one field is bound twice")
        if Wild.REST in self._segments[:-1]:
            raise self._error("** may only be the last segment")
        return Template(self._text, tuple(self._segments), tuple(self._captures), verb)

    def _segment_list(self, *, inside: bool) -> None:
        self._segment(inside=inside)
        while self._take("/"):
            self._segment(inside=inside)

    def _segment(self, *, inside: bool) -> None:
        if self._take("{"):
            if inside:
                raise self._error("a variable inside a variable")
            self._variable()
        elif self._take("**"):
            self._segments.append(Wild.REST)
        elif self._take("*"):
            self._segments.append(Wild.ONE)
        else:
            self._segments.append(self._literal())

    def _variable(self) -> None:
        found = _FIELD_PATH.match(self._text, self._at)
        if found is None:
            raise self._error("a field path is wanted")
        self._at = found.end()
        start = len(self._segments)
        if self._take("="):
            self._segment_list(inside=True)
        else:
            self._segments.append(Wild.ONE)
        self._expect("}")
        inner = self._segments[start:]
        end = None if Wild.REST in inner else len(self._segments)
        self._captures.append(Capture(found[0], start, end, single=inner == [Wild.ONE]))

    def _literal(self) -> str:
        found = _LITERAL.match(self._text, self._at)
        if found is None:
            raise self._error("a literal is wanted")
        self._at = found.end()
        try:
            return decode_segment(found[0].encode())
        except MalformedPercent as error:
            raise self._error(str(error)) from error

    def _take(self, token: str) -> bool:
        if self._text.startswith(token, self._at):
            self._at += len(token)
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise self._error(f"{token!r} is wanted")

    def _error(self, what: str) -> TemplateError:
        return TemplateError(f"{self._text!r} at {self._at}: {what}")
