"""Many messages at once, or few that may be sent: one lane's do not hold up another's."""

from pathlib import Path
from typing import Any

import pytest

from firewalker.kernel.ids import new_uuid7
from tests.service.notification.conftest import event, noon, office_at, profile
from tests.support.clock import FakeClock


@pytest.mark.requirement("DLV-11")
async def test_a_backlog_of_people_does_not_hold_up_standings_where_places_become_free_one_by_one(
    tmp_path: Path, mysql_url: str, redis_url: str
) -> None:
    async with office_at(tmp_path, mysql_url, redis_url, FakeClock(noon()), fcm_in_flight=4) as office:
        walker, crowd = new_uuid7(), [new_uuid7() for _ in range(40)]
        office.google.fcm.script.load({"denied": True})
        for number, user in enumerate([*crowd, walker]):
            await office.register(user, f"phone {number}", token=f"token-number-{number}")
        for user in crowd:
            await office.request_from(new_uuid7(), user)
        reached = {"walker": profile(walker), "date": f"{office.clock.now():%Y-%m-%d}", "daily_steps": 1}
        told = event(office.clock.now(), goal_reached=reached)
        await office.tell(told)
        await office.planned()
        office.google.fcm.script.load({"denied": False})
        await office.mended(41)
        assert [record.nid for record in office.google.accepted].index(told.event_id) < 20


@pytest.mark.requirement("DLV-11")
@pytest.mark.parametrize("limit", [{"fcm_a_second": 20}, {"fcm_in_flight": 1}], ids=str)
async def test_people_are_told_however_little_may_be_sent_at_once(
    tmp_path: Path, mysql_url: str, redis_url: str, limit: dict[str, Any]
) -> None:
    async with office_at(tmp_path, mysql_url, redis_url, FakeClock(noon()), **limit) as office:
        me = new_uuid7()
        await office.register(me, "mine")
        told = await office.request_from(new_uuid7(), me)
        assert [record.nid for record in await office.pushed(1)] == [told.event_id]
