"""Keys and credentials of a local run: made once, private, and in agreement with each other."""

import base64
import hashlib
import json
import stat
from pathlib import Path

import jwt
import pytest

from firewalker.local.problems import CannotStartError
from firewalker.local.secrets import SERVICES, make_secrets


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_everything_is_private(tmp_path: Path) -> None:
    made = make_secrets(tmp_path / "secrets")
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    secret = [path for path in made.folder.iterdir() if path.name != ".lock"]
    assert len(secret) == 10
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}


def test_making_again_changes_nothing(tmp_path: Path) -> None:
    before = contents(make_secrets(tmp_path).folder)
    assert contents(make_secrets(tmp_path).folder) == before


def test_keys_are_32_random_bytes(tmp_path: Path) -> None:
    made = make_secrets(tmp_path)
    texts = [path.read_text().strip() for path in (made.refresh_key, made.page_key, made.log_key)]
    assert len(set(texts)) == 3
    assert [len(base64.urlsafe_b64decode(text + "=")) for text in texts] == [32, 32, 32]


def test_a_token_signed_with_the_key_verifies_with_the_key_set(tmp_path: Path) -> None:
    made = make_secrets(tmp_path)
    key_set = jwt.PyJWKSet.from_json(made.jwks.read_text())
    key, *_ = key_set.keys
    assert key.key_id
    token = jwt.encode({"sub": "ann"}, made.access_token_key.read_bytes(), "EdDSA", {"kid": key.key_id})
    assert jwt.decode(token, key_set[key.key_id].key, ["EdDSA"]) == {"sub": "ann"}


def test_the_key_id_is_the_thumbprint_of_rfc_7638(tmp_path: Path) -> None:
    key, *_ = json.loads(make_secrets(tmp_path).jwks.read_text())["keys"]
    canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{key["x"]}"}}'
    digest = base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).decode()
    assert key["kid"] == digest.rstrip("=")
    assert (key["alg"], key["use"]) == ("EdDSA", "sig")
    assert "d" not in key


def test_the_list_of_services_holds_hashes_only(tmp_path: Path) -> None:
    made = make_secrets(tmp_path)
    tokens = {name: made.service_token(name).read_text().strip() for name in SERVICES}
    expected = [f"{name} {hashlib.sha256(token.encode()).hexdigest()}" for name, token in tokens.items()]
    assert made.allowed_services.read_text().splitlines() == expected


def test_a_replaced_token_is_allowed_from_the_next_run_on(tmp_path: Path) -> None:
    made = make_secrets(tmp_path)
    made.service_token("step").unlink()
    before = made.allowed_services.read_text().splitlines()
    after = make_secrets(tmp_path).allowed_services.read_text().splitlines()
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True]


def test_a_damaged_key_is_reported_and_not_replaced(tmp_path: Path) -> None:
    made = make_secrets(tmp_path)
    made.access_token_key.write_text("damaged")
    with pytest.raises(CannotStartError, match="holds no Ed25519 private key"):
        make_secrets(tmp_path)
    assert made.access_token_key.read_text() == "damaged"
