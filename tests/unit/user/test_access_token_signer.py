"""Access tokens as they are signed, read by the verifier that every service uses."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firewalker.kernel.ids import SessionId, UserId, new_uuid7
from firewalker.local.secrets import make_secrets
from firewalker.runtime.tokens import AccessTokens, KeyRing
from firewalker.user.tokens import AccessTokenSigner
from tests.support.clock import FakeClock

USER, SESSION = UserId(new_uuid7()), SessionId(new_uuid7())


@pytest.mark.requirement("AUTH-02")
def test_what_is_signed_verifies_with_the_public_key_set(tmp_path: Path) -> None:
    secrets = make_secrets(tmp_path)
    signer = AccessTokenSigner.from_file(secrets.access_token_key)
    clock = FakeClock()
    token = signer.sign(USER, SESSION, clock.now())
    principal = AccessTokens(KeyRing.from_file(secrets.jwks), clock=clock).verify(token.text)
    assert (principal.user_id, principal.session_id) == (USER, SESSION)
    assert principal.expires == token.expire_time == clock.now() + timedelta(minutes=10)


@pytest.mark.requirement("AUTH-01")
def test_the_key_id_is_that_of_the_key_set(tmp_path: Path) -> None:
    secrets = make_secrets(tmp_path)
    key, *_ = json.loads(secrets.jwks.read_text())["keys"]
    assert AccessTokenSigner.from_file(secrets.access_token_key).key_id == key["kid"]


def test_two_tokens_are_never_the_same() -> None:
    signer, clock = AccessTokenSigner(Ed25519PrivateKey.generate()), FakeClock()
    assert signer.sign(USER, SESSION, clock.now()).text != signer.sign(USER, SESSION, clock.now()).text


def test_a_token_does_not_show_itself() -> None:
    token = AccessTokenSigner(Ed25519PrivateKey.generate()).sign(USER, SESSION, FakeClock().now())
    assert token.text not in repr(token)


@pytest.mark.requirement("AUTH-01")
def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(other)
    with pytest.raises(ValueError, match="Ed25519"):
        AccessTokenSigner.from_file(tmp_path / "key.pem")


def test_a_key_that_is_encrypted_is_refused(tmp_path: Path) -> None:
    encrypted = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    (tmp_path / "key.pem").write_bytes(encrypted)
    with pytest.raises(ValueError, match="unencrypted"):
        AccessTokenSigner.from_file(tmp_path / "key.pem")
