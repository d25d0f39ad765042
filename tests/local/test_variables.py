"""Misspelt variables are named, with what was probably meant; those of the parts are left to the parts."""

import pytest

from firewalker.cli.addresses import Addresses
from firewalker.cli.doctor import _findings
from firewalker.local.problems import CannotStartError
from firewalker.local.variables import require_known, unknown


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("FIREWALKER_USR_PORT", "FIREWALKER_USER_PORT"),
        ("FIREWALKER_STEPS_LOG_LEVEL", "FIREWALKER_STEP_LOG_LEVEL"),
        ("FIREWALKER_LOCALDIR", "FIREWALKER_LOCAL_DIR"),
        ("FIREWALKER_MYSQL", "FIREWALKER_MYSQLD"),
        ("Firewalker_Usr_Port", "FIREWALKER_USER_PORT"),
    ],
)
def test_a_misspelt_variable_is_named_with_the_one_that_was_meant(name: str, meant: str) -> None:
    assert unknown({name: "1"}) == [f"{name}: there is no such variable (did you mean {meant}?)"]


def test_all_misspelt_ones_are_told_at_once() -> None:
    with pytest.raises(
        CannotStartError, match=r"(?s)FIREWALKER_USR_PORT.*\n.*FIREWALKER_XYZZY: there is no such variable$"
    ):
        require_known({"FIREWALKER_USR_PORT": "1", "FIREWALKER_XYZZY": "1"})


def test_what_something_reads_passes() -> None:
    known = (
        "FIREWALKER_LOCAL_DIR",
        "FIREWALKER_REDIS_URL",
        "FIREWALKER_REDIS_URL_FILE",
        "FIREWALKER_STEP_LIMITS",
        "FIREWALKER_TEST_MYSQL_URL",
        "HOME",
    )
    assert unknown(dict.fromkeys(known, "")) == []


async def test_the_doctor_names_a_misspelt_variable_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIREWALKER_USR_PORT", "1")
    first = await anext(_findings(Addresses.of()))
    assert not first.good
    assert first.facts.startswith("FIREWALKER_USR_PORT: there is no such variable (did you mean FIREWALKER_USER_PORT?)")
