"""Several processes share the queue; kill -9, SIGSTOP, SIGTERM, FCM's faults and wrong clocks lose nothing."""

import os
from pathlib import Path

import pytest

from firewalker.emulator.scripts import ENDS
from tests.support.push_storm import FAULTS, storm

ROUNDS = int(os.environ.get("FIREWALKER_TEST_PUSH_ROUNDS", "1"))
"""How often everything happens that may (`Storm.blow`)."""
SEED = int(os.environ.get("FIREWALKER_TEST_PUSH_SEED", "1"))
"""Of what happens when, so that a storm can be had again."""


@pytest.mark.requirement("DLV-02", "DLV-03", "DLV-14", "FCM-01", "FCM-06", "FCM-07", "FCM-10", "FCM-14")
@pytest.mark.alone
async def test_killed_paused_and_stopped_workers_lose_double_and_hurry_nothing(
    tmp_path: Path, mysql_url: str, redis_url: str
) -> None:
    async with storm(tmp_path, mysql_url, redis_url, SEED) as made:
        found = await made.blow(ROUNDS)
        assert not found, found
        outcomes = {record.outcome for record in made.google.records}
        assert "exceeded_max_concurrent_streams" not in outcomes
        assert {"quota", "unavailable", "internal", "bad_gateway", "unregistered", "accepted"} <= outcomes
        assert {record.fault for record in made.google.records} >= {fault for fault in FAULTS if fault in ENDS}
