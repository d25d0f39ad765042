"""Bytes as request messages: refused with a fault, or decoded to what can be written and read again unchanged."""

from functools import cache
from typing import Any

from firewalker.kernel.faults import Fault
from firewalker.runtime.grpc.compression import inflate
from firewalker.runtime.grpc.doors import Method, methods_of
from firewalker.runtime.grpc.messages import internal_descriptors, public_descriptors
from firewalker.step.domain.reading import Outcome, Window
from firewalker.step.rpc.steps import _judged
from firewalker.step.usecases.readings import Moment
from tests.service.grpc.doors import AuthDoor, BoardDoor, SinkDoor, StepDoor
from tests.support.clock import NOON

_INFLATED = 65_536
_MOST_STEPS = 200_000
"""No day may hold more; `firewalker.step.domain.reading` is stricter."""
_MOMENT = Moment(Window(NOON), int(NOON.timestamp() * 1000))


@cache
def _methods() -> list[Method]:
    public = [m for door in (AuthDoor(), StepDoor(), BoardDoor()) for m in methods_of(door, public_descriptors())]
    return [*public, *methods_of(SinkDoor(), internal_descriptors())]


def run(data: bytes) -> None:
    """The first byte chooses the method; its highest bit, whether the rest is compressed."""
    if not data:
        return
    method = _methods()[(data[0] & 0x7F) % len(_methods())]
    try:
        body = inflate(data[1:], _INFLATED) if data[0] & 0x80 else data[1:]
        request = method.parse(body)
    except Fault:
        return
    assert len(body) <= _INFLATED or not data[0] & 0x80, "inflated past the limit"
    again: Any = method.parse(request.SerializeToString())
    assert again.SerializeToString() == request.SerializeToString(), "decoding is not stable"
    if method.name in ("RecordSteps", "TrackSteps"):
        judged = _judged(request.readings, _MOMENT)
        assert len(judged) == len(request.readings)
        for one in judged:
            assert isinstance(one, Outcome) or 0 <= one.steps <= _MOST_STEPS, "an implausible reading is accepted"
