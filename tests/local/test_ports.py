"""Ports of a local run: defaults of the contract, overridable, refused with a sentence that names the variable."""

import socket

import pytest

from firewalker.local import ports
from firewalker.local.problems import CannotStartError


def test_the_defaults_are_those_of_the_contract() -> None:
    chosen = ports.chosen({})
    assert [chosen[f"FIREWALKER_{name}_PORT"] for name in ("USER", "STEP", "NOTIFICATION")] == [50051, 50052, 50053]
    assert chosen["FIREWALKER_TRANSCODER_PORT"] == 8080


def test_a_variable_moves_its_port_and_an_empty_one_does_not() -> None:
    chosen = ports.chosen({"FIREWALKER_STEP_PORT": "7001", "FIREWALKER_USER_PORT": ""})
    assert (chosen["FIREWALKER_STEP_PORT"], chosen["FIREWALKER_USER_PORT"]) == (7001, 50051)


@pytest.mark.parametrize("value", ["0", "65536", "-1", "http", "80.0", "\N{ARABIC-INDIC DIGIT FIVE}0051"])
def test_what_is_no_port_is_refused(value: str) -> None:
    with pytest.raises(CannotStartError, match="FIREWALKER_USER_PORT"):
        ports.chosen({"FIREWALKER_USER_PORT": value})


def test_two_equal_ports_are_refused_by_both_names() -> None:
    with pytest.raises(CannotStartError, match="FIREWALKER_USER_PORT and FIREWALKER_STEP_PORT are both 7001"):
        ports.chosen({"FIREWALKER_USER_PORT": "7001", "FIREWALKER_STEP_PORT": "7001"})


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - for the time of the test
def test_a_taken_port_is_named_with_its_variable(address: str) -> None:
    with socket.socket() as listener:
        listener.bind((address, 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(CannotStartError, match=f"Port {port} is taken .* set FIREWALKER_STEP_PORT"):
            ports.require_free({"FIREWALKER_STEP_PORT": port})
    ports.require_free({"FIREWALKER_STEP_PORT": port})


def test_free_ports_are_distinct_and_free() -> None:
    found = ports.free()
    assert len(set(found.values())) == len(ports.DEFAULTS)
    ports.require_free(found)
