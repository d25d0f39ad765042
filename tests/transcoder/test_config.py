from __future__ import annotations

import pytest

from transcoder.backends import Address
from transcoder.config import PREFIX, ConfigError, Settings

GOOD = {"DESCRIPTOR_SET": "api.binpb", "BACKENDS": "a.v1=127.0.0.1:50051, b=[::1]:50052"}


def settings(**changes: str) -> Settings:
    return Settings.from_environment({"PATH": "/bin", **{PREFIX + k: v for k, v in {**GOOD, **changes}.items()}})


def test_values_come_from_the_environment() -> None:
    read = settings(PORT="0", MAX_DEPTH="10", IGNORED_QUERY="key, utm_*", LOG_LEVEL="error")
    assert read.backends == {"a.v1": (Address("127.0.0.1", 50051),), "b": (Address("::1", 50052),)}
    assert (read.port, read.max_depth, read.ignored_query) == (0, 10, ("key", "utm_*"))


def test_a_service_may_have_several_addresses() -> None:
    read = settings(BACKENDS="a.v1=127.0.0.1:50051|[::1]:50052")
    assert read.backends == {"a.v1": (Address("127.0.0.1", 50051), Address("::1", 50052))}
    assert f"{PREFIX}BACKENDS=a.v1=127.0.0.1:50051|[::1]:50052" in read.lines()


def test_it_listens_on_loopback_unless_told_otherwise() -> None:
    assert settings().host == "127.0.0.1"


@pytest.mark.parametrize("name", ["PROT", "FORWARD_HEADER", "BACKEND"])
def test_an_unknown_variable_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{PREFIX}{name}"):
        settings(**{name: "1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("PORT", "x"), ("PORT", "70000"), ("MAX_DEPTH", "0"), ("MAX_DEPTH", "99"), ("DEFAULT_TIMEOUT_S", "-1")),
        *(
            ("BACKENDS", "a"),
            ("BACKENDS", "a=b"),
            ("BACKENDS", "a=b:0"),
            ("BACKENDS", "a=b:1,a=c:1"),
            ("BACKENDS", "=b:1"),
        ),
        *(("FORWARD_HEADERS", "te"), ("FORWARD_HEADERS", "grpc-x"), ("RETURN_HEADERS", "Etag"), ("LOG_FORMAT", "xml")),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=PREFIX + name):
        settings(**{name: value})


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ConfigError, match=r"DESCRIPTOR_SET[^\n]*\n.*BACKENDS"):
        Settings.from_environment({})


def test_the_effective_configuration_can_be_shown() -> None:
    lines = settings().lines()
    assert f"{PREFIX}BACKENDS=a.v1=127.0.0.1:50051,b=[::1]:50052" in lines
    assert f"{PREFIX}PORT=8080" in lines
