"""The comments of protos, by full name, and what they tell beyond prose: the faults of a method."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FileDescriptorSet

_MESSAGE, _ENUM, _SERVICE = 4, 5, 6
"""Numbers of the lists in FileDescriptorProto; a path of SourceCodeInfo is made of such numbers and of indices."""

_NESTED_MESSAGE, _NESTED_ENUM, _FIELD, _ENUM_VALUE, _METHOD = 3, 4, 2, 2, 2

_FAULTS: Final = re.compile(r"^Faults:\s*(.*)", re.DOTALL)
_FAULT: Final = re.compile(r"\b([A-Z]+(?:_[A-Z0-9]+)+|[A-Z]{8,})\b(?:\s*\(([^)]*)\))?")
_SAME_AS: Final = re.compile(r"\bas ([A-Z][A-Za-z]+)")
_SENTENCE: Final = re.compile(r"(.+?[.:])(?:\s|$)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment without its faults, which are reasons with what the comment says of each."""

    text: str = ""
    faults: tuple[tuple[str, str], ...] = ()
    same_as: tuple[str, ...] = ()
    """Methods of the same service whose faults are this one's too."""

    @property
    def summary(self) -> str:
        """The first sentence."""
        found = _SENTENCE.match(self.text)
        return " ".join((found[1] if found else self.text).split())


NONE: Final = Comment()


def comments(files: FileDescriptorSet) -> dict[str, Comment]:
    """Comments of messages, fields, enums, values, services and methods; none where the set has no source info."""
    found: dict[str, Comment] = {}
    for file in files.file:
        names = dict(_names(file))
        for location in file.source_code_info.location:
            name = names.get(tuple(location.path))
            if name is not None and location.leading_comments:
                found[name] = _comment(location.leading_comments)
    return found


def faults(name: str, known: dict[str, Comment]) -> dict[str, str]:
    """The reasons that the method *name* may refuse with, those of methods it refers to included."""
    found: dict[str, str] = {}
    todo, seen = [name], set()
    while todo:
        at = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        comment = known.get(at, NONE)
        found |= {reason: why for reason, why in comment.faults if reason not in found}
        todo += [f"{at.rpartition('.')[0]}.{other}" for other in comment.same_as]
    return found


def _comment(raw: str) -> Comment:
    lines = [line.removeprefix(" ").rstrip() for line in raw.strip("\n").split("\n")]
    paragraphs = "\n".join(lines).strip().split("\n\n")
    kept: list[str] = []
    told: list[tuple[str, str]] = []
    same_as: list[str] = []
    for paragraph in paragraphs:
        part = _FAULTS.match(paragraph)
        if part is None:
            kept.append(paragraph)
            continue
        text = " ".join(part[1].split())
        told += [(reason, why) for reason, why in _FAULT.findall(text)]
        same_as += _SAME_AS.findall(text)
    return Comment("\n\n".join(kept), tuple(told), tuple(same_as))


def _names(file: Any) -> Iterator[tuple[tuple[int, ...], str]]:
    package = f"{file.package}." if file.package else ""
    yield from _messages(file.message_type, (_MESSAGE,), package)
    yield from _enums(file.enum_type, (_ENUM,), package)
    for index, service in enumerate(file.service):
        name = package + service.name
        yield (_SERVICE, index), name
        for number, method in enumerate(service.method):
            yield (_SERVICE, index, _METHOD, number), f"{name}.{method.name}"


def _messages(types: Sequence[Any], path: tuple[int, ...], prefix: str) -> Iterator[tuple[tuple[int, ...], str]]:
    for index, message in enumerate(types):
        at, name = (*path, index), prefix + message.name
        yield at, name
        for number, field in enumerate(message.field):
            yield (*at, _FIELD, number), f"{name}.{field.name}"
        yield from _messages(message.nested_type, (*at, _NESTED_MESSAGE), f"{name}.")
        yield from _enums(message.enum_type, (*at, _NESTED_ENUM), f"{name}.")


def _enums(types: Sequence[Any], path: tuple[int, ...], prefix: str) -> Iterator[tuple[tuple[int, ...], str]]:
    for index, enum in enumerate(types):
        at, name = (*path, index), prefix + enum.name
        yield at, name
        for number, value in enumerate(enum.value):
            yield (*at, _ENUM_VALUE, number), f"{name}.{value.name}"
