"""Path templates as OpenAPI writes them: each ``*`` is a parameter, and two rules of one shape share one path."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from transcoder.bindings import Binding
from transcoder.templates import Wild

_SAFE = "-._~!$&'()+,;=@"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a path. *field* is the index of the capture that it is the whole value of, or None."""

    name: str
    field: int | None
    many: bool
    """Whether it stands for several segments."""


@dataclass(frozen=True, slots=True)
class OpenApiPath:
    """A path with its parameters in order."""

    text: str
    parameters: tuple[Parameter, ...]


def openapi_path(binding: Binding) -> OpenApiPath:
    """The path of *binding*.

    A variable that is a whole segment keeps its name; one with a pattern of its own becomes one parameter for each of
    its wildcards, numbered.
    """
    template = binding.template
    text, parameters = "", []
    for at, segment in enumerate(template.segments):
        if isinstance(segment, str):
            text += "/" + quote(segment, safe=_SAFE)
            continue
        parameter = _parameter(binding, at, many=segment is Wild.REST)
        parameters.append(parameter)
        text += "/{" + parameter.name + "}"
    return OpenApiPath(f"{text}:{template.verb}" if template.verb else text, tuple(parameters))


def _parameter(binding: Binding, at: int, *, many: bool) -> Parameter:
    segments = binding.template.segments
    for index, capture in enumerate(binding.template.captures):
        end = len(segments) if capture.end is None else capture.end
        if not capture.start <= at < end:
            continue
        name = binding.captures[index].names.replace(".", "_")  # generators make identifiers of them
        if end - capture.start == 1:
            return Parameter(name, index, many)
        number = sum(isinstance(segment, Wild) for segment in segments[capture.start : at]) + 1
        return Parameter(f"{name}_{number}", None, many)
    return Parameter(f"segment{at + 1}", None, many)
