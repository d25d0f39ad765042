"""What the tests of pushes tell of, and what they look at."""

from uuid import UUID

from firewalker.runtime.metrics import REGISTRY
from tests.service.notification.conftest import Office, event, profile


def day(office: Office) -> str:
    return f"{office.clock.now():%Y-%m-%d}"


async def overtake(office: Office, overtaker: UUID, overtaken: UUID, nickname: str = "지수") -> None:
    fact = {"overtaker": profile(overtaker, nickname), "overtaken_id": str(overtaken), "date": day(office)}
    await office.tell(event(office.clock.now(), overtaken=fact))


def bodies(office: Office) -> list[str]:
    return [shown.body for shown in office.google.fcm.screen.shown]


async def lives_in(office: Office, user: UUID, zone: str) -> None:
    fact = {"profile": profile(user), "time_zone": zone}
    await office.tell(event(office.clock.now(), user_signed_up=fact))


def counted(kind: str, outcome: str, of: str = "firewalker_deliveries_total") -> float:
    return REGISTRY.get_sample_value(of, {"type": kind, "outcome": outcome}) or 0.0
