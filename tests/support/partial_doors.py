"""Doors of tests that serve some methods of a service of the project, whatever else the service has by now."""

from collections.abc import Callable
from typing import Any, TypeVar

from firewalker.runtime.grpc.doors import snake
from firewalker.runtime.grpc.faults import MethodNotFound
from firewalker.runtime.grpc.messages import internal_descriptors
from firewalker.runtime.grpc.policy import Caller, Rule

D = TypeVar("D")


def part_of(service: str) -> Callable[[type[D]], type[D]]:
    """Let a door leave out methods of *service*: they are there, public, and answer as unknown ones do."""

    def fill(door: type[D]) -> type[D]:
        missing = []
        for method in internal_descriptors().methods(service):
            own = getattr(door, snake(method.name), None)
            if own is None or own.__module__.startswith("firewalker.gen."):
                setattr(door, snake(method.name), _nowhere)
                missing.append(method.name)
        begin: Any = door.__init__

        def init(self: Any, *args: Any, **options: Any) -> None:
            begin(self, *args, **options)
            self.POLICY = {**dict.fromkeys(missing, Rule(Caller.PUBLIC)), **self.POLICY}

        door.__init__ = init  # type: ignore[method-assign]
        return door

    return fill


async def _nowhere(*_: Any) -> Any:
    raise MethodNotFound
