from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from pydantic_settings import SettingsConfigDict

from firewalker.runtime.config import ConfigError, Port, ServiceConfig, described, load, read_key


class SomeConfig(ServiceConfig):
    model_config = SettingsConfigDict(env_prefix="FIREWALKER_SOME_")

    port: Port = 1
    internal_port: Port = 2


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "file"
    secret.write_text("x")
    for name in ("JWKS_FILE", "SERVICE_TOKEN_FILE", "SERVICE_ALLOW_FILE", "PAGE_KEY_FILE"):
        monkeypatch.setenv(f"FIREWALKER_SOME_{name}", str(secret))
    monkeypatch.setenv("FIREWALKER_SOME_MYSQL_URL", "mysql://u:geheim@h/d")
    monkeypatch.setenv("FIREWALKER_REDIS_URL", "redis://shared:1/0")


def test_defaults_and_variables() -> None:
    config = load(SomeConfig)
    assert (config.port, config.pool_size, config.host) == (1, 10, "127.0.0.1")
    assert config.redis_url.get_secret_value() == "redis://shared:1/0"


def test_the_own_redis_wins_over_the_shared_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIREWALKER_SOME_REDIS_URL", "redis://own:1/0")
    assert load(SomeConfig).redis_url.get_secret_value() == "redis://own:1/0"


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FIREWALKER_SOME_MYSQL_URL")
    (tmp_path / "url").write_text("mysql://from@file/d\n")
    monkeypatch.setenv("FIREWALKER_SOME_MYSQL_URL_FILE", str(tmp_path / "url"))
    assert load(SomeConfig).mysql_url.get_secret_value() == "mysql://from@file/d"
    monkeypatch.setenv("FIREWALKER_SOME_MYSQL_URL_FILE", "/nowhere")
    with pytest.raises(ConfigError, match="FIREWALKER_SOME_MYSQL_URL_FILE: cannot be read"):
        load(SomeConfig)


def test_the_shared_redis_may_come_from_a_file_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "redis").write_text("redis://from-file:1/0\n")
    monkeypatch.setenv("FIREWALKER_REDIS_URL_FILE", str(tmp_path / "redis"))
    assert load(SomeConfig).redis_url.get_secret_value() == "redis://shared:1/0"
    monkeypatch.delenv("FIREWALKER_REDIS_URL")
    assert load(SomeConfig).redis_url.get_secret_value() == "redis://from-file:1/0"
    monkeypatch.setenv("FIREWALKER_REDIS_URL_FILE", "/nowhere")
    with pytest.raises(ConfigError, match="FIREWALKER_REDIS_URL_FILE: cannot be read"):
        load(SomeConfig)
    monkeypatch.setenv("FIREWALKER_SOME_REDIS_URL", "redis://own:1/0")
    assert load(SomeConfig).redis_url.get_secret_value() == "redis://own:1/0"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("PROT", "1", "FIREWALKER_SOME_PROT: there is no such setting"),
        ("PORT", "70000", "FIREWALKER_SOME_PORT: "),
        ("POOL_SIZE", "0", "FIREWALKER_SOME_POOL_SIZE: "),
        ("LOG_LEVEL", "loud", "FIREWALKER_SOME_LOG_LEVEL: "),
        ("REDIS_URL", "http://x", "FIREWALKER_SOME_REDIS_URL: a Redis URL starts"),
        ("JWKS_FILE", "/nowhere", "FIREWALKER_SOME_JWKS_FILE: "),
        ("TLS_CERTIFICATE_FILE", __file__, "FIREWALKER_SOME_TLS_KEY_FILE: goes together"),
        ("INTERNAL_TLS_KEY_FILE", __file__, "FIREWALKER_SOME_INTERNAL_TLS_KEY_FILE: goes together"),
    ],
)
def test_what_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, text: str) -> None:
    monkeypatch.setenv(f"FIREWALKER_SOME_{name}", value)
    with pytest.raises(ConfigError) as caught:
        load(SomeConfig)
    assert text in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_variables_of_other_services_are_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIREWALKER_OTHER_PROT", "1")
    load(SomeConfig)


def test_a_description_masks_secrets() -> None:
    text = "\n".join(described(load(SomeConfig)))
    assert "FIREWALKER_SOME_PORT=1" in text
    assert "FIREWALKER_SOME_MYSQL_URL=mysql://" in text
    assert ":********@" in text
    assert "geheim" not in text


def test_keys_have_32_bytes_of_base64url(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(urlsafe_b64encode(bytes(range(32))).rstrip(b"=") + b"\n")
    assert read_key(path) == bytes(range(32))
    for text in (b"", b"short", urlsafe_b64encode(bytes(31)), b"\xff" * 43):
        path.write_bytes(text)
        with pytest.raises(ConfigError, match="32 bytes"):
            read_key(path)
