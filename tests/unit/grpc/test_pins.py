"""What this layer stands on below the surface of its libraries, and the files it is configured from."""

import hashlib
from pathlib import Path

import pytest
from h2.connection import H2Connection

from firewalker.kernel.faults import ServiceCredentialInvalid
from firewalker.runtime.grpc import pins
from firewalker.runtime.grpc.credentials import ServiceCredentials, read_service_token


def test_the_installed_libraries_are_as_needed() -> None:
    pins.check.__wrapped__()


def test_another_version_of_grpclib_fails_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pins, "GRPCLIB_VERSION", "0.5.0")
    with pytest.raises(pins.PinBroken, match="made for grpclib"):
        pins.check.__wrapped__()


def test_a_missing_name_fails_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(H2Connection, "_stream_is_closed_by_end")
    with pytest.raises(pins.PinBroken, match="_stream_is_closed_by_end"):
        pins.check.__wrapped__()


def test_credentials_are_read_from_their_file(tmp_path: Path) -> None:
    path = tmp_path / "services.allow"
    path.write_text(f"# who may call\nuser {hashlib.sha256(b'secret').hexdigest()}\n")
    credentials = ServiceCredentials.from_file(path)
    assert credentials.verify("secret") == "user"
    for token in ("", "other", "secret ", "x" * 10_000, "\xff"):
        with pytest.raises(ServiceCredentialInvalid):
            credentials.verify(token)


@pytest.mark.parametrize("text", ["", "# nobody\n", "user", "user abc\n", "User " + "0" * 64])
def test_a_broken_file_of_credentials_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "services.allow"
    path.write_text(text)
    with pytest.raises(ValueError):  # noqa: PT011 - either of two
        ServiceCredentials.from_file(path)


def test_a_services_own_token_is_one_word(tmp_path: Path) -> None:
    path = tmp_path / "service.token"
    path.write_text("abc\n")
    assert read_service_token(path) == "abc"
    path.write_text("two words\n")
    with pytest.raises(ValueError, match="one line"):
        read_service_token(path)
