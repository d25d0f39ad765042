"""What is written of accounts: who looks into a theft finds each sign-in, each failure and each end of a session."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from firewalker.runtime.logging import PEOPLE, _with_ids
from tests.service.user.conftest import PASSWORD, World
from tests.service.user.test_own_sessions import OTHER
from tests.service.user.test_sessions import refreshed

Line = MutableMapping[str, Any]


@pytest.fixture
def lines() -> Iterator[list[Line]]:
    with capture_logs(processors=[_with_ids]) as captured:
        yield captured


def of(lines: list[Line], event: str) -> list[Line]:
    return [line for line in lines if line["event"] == event]


@pytest.mark.requirement("AUTH-39")
async def test_each_thing_that_happens_to_an_account_is_written_with_the_call_that_did_it(
    world: World, lines: list[Line]
) -> None:
    phone = await world.sign_up()
    laptop, stolen = await world.sign_in(phone), await world.sign_in(phone)
    await world.refusal("Login", email=phone.email, password="wrong one")
    second = await refreshed(world, stolen.tokens.refresh_token)
    await refreshed(world, second.refresh_token)
    await world.refusal("Refresh", refresh_token=stolen.tokens.refresh_token)
    await world.call("ChangePassword", laptop.access, current_password=PASSWORD, new_password=OTHER)
    await world.call("Logout", laptop.access)
    calls = {line["request_id"]: line for line in of(lines, "call")}

    def about(event: str) -> list[tuple[Any, ...]]:
        return [
            (line["session_id"], line.get("why"), calls[line["request_id"]]["method"].rpartition("/")[2])
            for line in of(lines, event)
            if str(line["user_id"]) == phone.user_id
        ]

    opened = [(str(session), why, rpc) for session, why, rpc in about("session opened")]
    assert opened == [
        (phone.tokens.session_id, None, "SignUp"),
        (laptop.tokens.session_id, None, "Login"),
        (stolen.tokens.session_id, None, "Login"),
    ]
    ended = [(str(session), why, rpc) for session, why, rpc in about("session ended")]
    assert ended == [
        (stolen.tokens.session_id, "REUSE", "Refresh"),
        (phone.tokens.session_id, "PASSWORD", "ChangePassword"),
        (laptop.tokens.session_id, "LOGOUT", "Logout"),
    ]
    outcomes = {
        (line["method"].rpartition("/")[2], line["reason"]): line["network"]
        for line in calls.values()
        if ".user.v1." in line["method"]
    }
    assert outcomes.keys() >= {
        ("Login", ""),
        ("Login", "BAD_CREDENTIALS"),
        ("Refresh", "REFRESH_TOKEN_REUSED"),
        ("ChangePassword", ""),
    }
    assert set(outcomes.values()) <= {"127.0.0.0/24", "::/64"}
    # All of these become pseudonyms before they are written.
    assert {"user_id", "session_id"} <= PEOPLE
