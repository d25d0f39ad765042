"""From a method and a raw path to a rule: a trie in which a literal beats ``*`` and ``*`` beats ``**``.

The order in which rules are added never matters. What a rule means lives in :mod:`transcoder.bindings`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from transcoder.errors import Code, Problem, Reason, Violation, method_not_allowed
from transcoder.percent import MalformedPercent, decode_segment, decode_segments
from transcoder.templates import Capture, Template, Wild

T = TypeVar("T")

ANY_METHOD = "*"
"""The ``custom.kind`` that stands for every HTTP method; a rule for the method itself goes first."""


class DuplicateRoute(ValueError):
    """Two rules for one method and one shape of path."""


@dataclass(slots=True)
class _Rule(Generic[T]):
    template: Template
    target: T


@dataclass(slots=True)
class _Node(Generic[T]):
    literals: dict[str, _Node[T]] = field(default_factory=dict)
    one: _Node[T] | None = None
    rest: _Node[T] | None = None
    ends: dict[str, dict[str, _Rule[T]]] = field(default_factory=dict)
    """Rules that end here: verb (or "") to method to rule."""


class Routes(Generic[T]):
    """All rules. Build it once; matching changes nothing."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._verbs: set[str] = set()

    def add(self, method: str, template: Template, target: T) -> None:
        """Add a rule.

        Raises:
            DuplicateRoute: The method already has a rule of this shape.
        """
        node = self._root
        for segment in template.segments:
            if segment is Wild.ONE:
                node.one = node = node.one or _Node()
            elif segment is Wild.REST:
                node.rest = node = node.rest or _Node()
            else:
                assert isinstance(segment, str)  # noqa: S101 - narrows the type for mypy
                node = node.literals.setdefault(segment, _Node())
        methods = node.ends.setdefault(template.verb, {})
        if method in methods:
            raise DuplicateRoute(f"{method} {template.text} and {methods[method].template.text} match the same paths")
        methods[method] = _Rule(template, target)
        if template.verb:
            self._verbs.add(template.verb)

    def match(self, method: str, raw_path: bytes) -> tuple[T, list[str]]:
        """The rule for this request and the values of its captures, decoded, in template order.

        *raw_path* is still percent-encoded; segments are compared decoded, so that an encoded slash never separates.

        Raises:
            Problem: 400 for broken encoding, 404 for no such path, 405 with ``Allow`` for a path of other methods.
        """
        try:
            segments, verb = self._split(raw_path)
            decoded = [decode_segment(segment) for segment in segments]
        except MalformedPercent as error:
            raise Problem(
                Code.INVALID_ARGUMENT,
                Reason.MALFORMED_PATH,
                f"The path is malformed: {error}.",
                violations=[Violation("path", str(error))],
            ) from error
        wanted = (method, "GET", ANY_METHOD) if method == "HEAD" else (method, ANY_METHOD)
        allowed: set[str] = set()
        rule = None
        if "" not in decoded:
            rule = _find(self._root, decoded, 0, verb, wanted, allowed)
        if rule is not None:
            return rule.target, [_value(capture, segments, decoded) for capture in rule.template.captures]
        if allowed:
            raise method_not_allowed(method, allowed | {"HEAD"} if "GET" in allowed else allowed)
        raise Problem(Code.NOT_FOUND, Reason.ROUTE_NOT_FOUND, "There is nothing at this path.")

    def _split(self, raw_path: bytes) -> tuple[list[bytes], str]:
        segments = raw_path.split(b"/")[1:] or [b""]
        head, colon, tail = segments[-1].rpartition(b":")
        if colon:
            verb = decode_segment(tail)
            if verb in self._verbs:
                segments[-1] = head
                return segments, verb
        return segments, ""


def _find(  # noqa: PLR0917 - one recursive walk; a frame object per step would cost more than it explains
    node: _Node[T], path: list[str], at: int, verb: str, wanted: tuple[str, ...], allowed: set[str]
) -> _Rule[T] | None:
    """Depth first, best branch first; a branch that knows the path but not the method only adds to *allowed*."""
    if at == len(path):
        found = _ending(node, verb, wanted, allowed)
        if found is not None:
            return found
    else:
        literal = node.literals.get(path[at])
        if literal is not None:
            found = _find(literal, path, at + 1, verb, wanted, allowed)
            if found is not None:
                return found
        if node.one is not None:
            found = _find(node.one, path, at + 1, verb, wanted, allowed)
            if found is not None:
                return found
    return None if node.rest is None else _ending(node.rest, verb, wanted, allowed)


def _ending(node: _Node[T], verb: str, wanted: tuple[str, ...], allowed: set[str]) -> _Rule[T] | None:
    methods = node.ends.get(verb)
    if methods is None:
        return None
    for method in wanted:
        if method in methods:
            return methods[method]
    allowed.update(methods)
    return None


def _value(capture: Capture, segments: list[bytes], decoded: list[str]) -> str:
    if capture.single:
        return decoded[capture.start]
    return decode_segments(b"/".join(segments[capture.start : capture.end]))
