"""Doors that serve some RPCs of a real service: what a test of the wire does not need is answered METHOD_NOT_FOUND."""

from typing import Any, TypeVar

from firewalker.runtime.grpc.doors import _snake
from firewalker.runtime.grpc.faults import MethodNotFound
from firewalker.runtime.grpc.policy import Caller, Rule

D = TypeVar("D", bound=type)


def filled(door: D) -> D:
    """Class decorator: gives an ordinary *door* the methods of its service, and rules, that it does not state itself."""
    plain: Any = door

    async def not_here(_self: object, _message: object) -> Any:
        raise MethodNotFound

    policy = dict(plain.POLICY)
    for path in plain().__mapping__():
        name = path.rpartition("/")[2]
        if name not in policy:
            policy[name] = Rule(Caller.PUBLIC)
            setattr(door, _snake(name), not_here)
    plain.POLICY = policy
    return door
