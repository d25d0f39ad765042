"""What a probe is taken for: only FCM itself can say that it is mended."""

from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

import pytest

from firewalker.kernel.ids import SessionId, UserId
from firewalker.notification.domain.device import Device, Platform, Registration, Target
from firewalker.notification.fcm.answers import Answer, Kind, Scope
from firewalker.notification.fcm.breakers import Breakers
from firewalker.notification.fcm.client import FcmClient
from firewalker.notification.fcm.pace import Pace
from firewalker.notification.sender import Sender
from tests.support.clock import NOON, FakeClock

ME, SESSION = UserId(UUID(int=1)), SessionId(UUID(int=2))


class OneDevice:
    """A queue whose only device was registered when longer tokens were taken."""

    async def any_device(self, platform: Platform | None) -> Device:
        registration = Registration(Target.TOKEN, "x" * 4_096)
        return Device("phone", ME, SESSION, platform or Platform.IOS, registration, UUID(int=3), "", "", NOON, NOON)


class Said:
    """An FCM that gives one answer."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def ask(self, _body: dict[str, object], _attempts: int, _still: Callable[[], bool] = bool, /) -> Answer:
        return self._answer


class Nothing(FcmClient):
    """The real one, which refuses what is too large before it needs anything."""

    def __init__(self) -> None:
        pass


async def is_open_after(fcm: Any) -> bool:
    clock = FakeClock()
    breakers = Breakers(clock)
    breaker = breakers.project
    breaker.trip()
    clock.advance(31)
    sender = Sender(
        cast("Any", OneDevice()), fcm, cast("Any", None), clock, pace=Pace(clock), breakers=breakers, most_in_flight=1
    )
    await sender._probe(breaker, None)
    return breaker.is_open


@pytest.mark.requirement("FCM-18")
@pytest.mark.parametrize(
    ("answer", "mended"),
    [
        (Answer(Kind.ACCEPTED, Scope.MESSAGE, "accepted"), True),
        (Answer(Kind.GONE, Scope.DEVICE, "unregistered"), True),
        (Answer(Kind.REFUSED, Scope.MESSAGE, "invalid_argument"), True),
        (Answer(Kind.PARKED, Scope.PROJECT, "permission_denied"), False),
        (Answer(Kind.UNKNOWN, Scope.MESSAGE, "ReadError"), False),
        (Answer(Kind.LATER, Scope.PROJECT, "no_access_token"), False),
    ],
    ids=lambda value: value.code if isinstance(value, Answer) else "",
)
async def test_what_fcm_says_of_the_probe_counts(answer: Answer, mended: bool) -> None:  # noqa: FBT001 - of the table
    assert await is_open_after(Said(answer)) is not mended


@pytest.mark.requirement("FCM-18")
async def test_what_is_refused_here_says_nothing_of_fcm() -> None:
    assert await is_open_after(Nothing())
