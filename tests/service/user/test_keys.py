"""Keys of access tokens are replaced while everything runs, and no token fails."""

import asyncio
import json
import os
import time
from base64 import urlsafe_b64decode
from pathlib import Path

import jwt
import pytest

from firewalker.local.problems import CannotStartError
from firewalker.local.secrets import Secrets, make_secrets
from firewalker.local.signing_keys import PUBLISHED_S, RETIRING_S, rotate
from firewalker.runtime import watched_file
from tests.service.user.conftest import PASSWORD, World, open_world


def key_id(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


@pytest.mark.requirement("AUTH-06")
async def test_two_rotations_under_load_fail_no_call(
    tmp_path: Path, mysql_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_file, "LOOK_S", 0.02)
    monkeypatch.setattr(watched_file.WatchedFile.__init__, "__kwdefaults__", {"look_s": 0.02})
    async with open_world(tmp_path, mysql_url, redis_url) as world:
        person = await world.sign_up()
        tokens, calls, done = [person.access], 0, asyncio.Event()

        async def load() -> None:
            nonlocal calls
            while not done.is_set():
                await asyncio.gather(*(world.call("GetMe", token) for token in tokens))
                calls += len(tokens)

        loading = asyncio.create_task(load())
        for _ in range(2):
            before = key_id(tokens[-1])
            rotate(Secrets(tmp_path), force=True)
            async with asyncio.timeout(60):
                while key_id(tokens[-1]) == before:
                    refreshed = await world.call("Login", email=person.email, password=PASSWORD)
                    tokens.append(refreshed.tokens.access_token)
            # The next rotation has to wait until every process has read the key that it makes sign.
            newest = json.loads(Secrets(tmp_path).jwks.read_text())["keys"][1]["kid"]
            async with asyncio.timeout(60):
                while newest not in {one.kid for one in (await world.call("GetKeySet")).keys}:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        done.set()
        await loading
        assert calls > len(tokens)
        assert len({key_id(token) for token in tokens}) == 3
        # What a retired key has signed is worth nothing once the key is gone.
        secrets = Secrets(tmp_path)
        keys = json.loads(secrets.jwks.read_text())["keys"]
        secrets.jwks.write_text(json.dumps({"keys": [key for key in keys if "exp" not in key]}))
        async with asyncio.timeout(60):
            while len((await world.call("GetKeySet")).keys) != 2:  # noqa: ASYNC110 - a file tells no event
                await asyncio.sleep(0.01)
        assert (await world.refusal("GetMe", tokens[0])).reason == "ACCESS_TOKEN_INVALID"
        await world.call("GetMe", tokens[-1])


@pytest.mark.requirement("AUTH-06")
async def test_the_key_set_is_public_and_verifies_what_is_signed(world: World) -> None:
    person = await world.sign_up()
    found = {key.kid: key for key in (await world.call("GetKeySet")).keys}
    key = found[key_id(person.access)]
    assert (key.kty, key.crv, key.alg, key.use) == ("OKP", "Ed25519", "EdDSA", "sig")
    public = jwt.PyJWK({"kty": key.kty, "crv": key.crv, "x": key.x, "kid": key.kid})
    assert jwt.decode(person.access, public, ["EdDSA"], audience="firewalker")["sub"] == person.user_id
    assert {len(urlsafe_b64decode(one.x + "=")) for one in found.values()} == {32}


@pytest.mark.requirement("AUTH-06")
def test_a_key_is_next_then_active_then_retiring_then_gone(tmp_path: Path) -> None:
    secrets = make_secrets(tmp_path)
    active, following = (key["kid"] for key in json.loads(secrets.jwks.read_text())["keys"])
    now = time.time() + PUBLISHED_S
    first = rotate(secrets, now_s=now)
    assert first[0]["kid"] == following
    assert (first[2]["kid"], first[2]["exp"]) == (active, int(now + RETIRING_S))
    make_secrets(tmp_path)
    assert [key["kid"] for key in json.loads(secrets.jwks.read_text())["keys"]] == [key["kid"] for key in first]
    later = rotate(secrets, force=True, now_s=now + RETIRING_S + 1)
    assert active not in {key["kid"] for key in later}
    assert later[0]["kid"] == first[1]["kid"]
    assert b"PRIVATE" not in secrets.jwks.read_bytes()
    assert not any("d" in key for key in later)


def test_a_key_does_not_sign_before_everybody_has_read_it(tmp_path: Path) -> None:
    secrets = make_secrets(tmp_path)
    with pytest.raises(CannotStartError, match="next key"):
        rotate(secrets)


def test_a_rotation_that_was_interrupted_is_mended(tmp_path: Path) -> None:
    secrets = make_secrets(tmp_path)
    secrets.access_token_key.write_bytes(secrets.next_access_token_key.read_bytes())
    os.utime(secrets.access_token_key)
    make_secrets(tmp_path)
    active, following, *_ = (key["kid"] for key in json.loads(secrets.jwks.read_text())["keys"])
    assert active != following
