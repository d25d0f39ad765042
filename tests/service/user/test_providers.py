"""Signing in with identities of providers, through the real wire; an issuer of our own stands for Kakao, Google and Apple."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from firewalker.runtime.config import ConfigError
from firewalker.user.domain.provider import Provider
from firewalker.user.domain.provider_faults import IdTokenInvalid, ProviderNotOffered, ProviderUnavailable
from firewalker.user.id_tokens import AGAIN_S, KEPT_S, IdTokens, read_sources
from firewalker.user.store.provider_logins import ProviderLogins as ProviderRows
from tests.service.user.conftest import PASSWORD, World, open_world
from tests.service.user.test_own_sessions import OTHER, told
from tests.service.user.test_sessions import becomes_revoked
from tests.support.clock import FakeClock
from tests.support.issuer import AUDIENCE, Issuer, issuing
from tests.support.waiting import hold, until

KAKAO, GOOGLE, APPLE = 1, 2, 3
NEW = {"nickname": "Ann", "time_zone": "Asia/Seoul"}


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing() as made:
        yield made


@pytest.fixture
def providers_file(issuer: Issuer, tmp_path: Path) -> Path:
    path = tmp_path / "providers.json"
    path.write_text(json.dumps({"GOOGLE": issuer.settings()}))
    return path


@pytest.fixture
async def shop(
    issuer: Issuer, providers_file: Path, tmp_path: Path, mysql_url: str, redis_url: str
) -> AsyncIterator[World]:
    del issuer
    async with open_world(tmp_path, mysql_url, redis_url, providers_file=providers_file) as world:
        yield world


async def login(world: World, token: str, **fields: Any) -> Any:
    return await world.call("LoginWithProvider", provider=GOOGLE, id_token=token, **fields)


@pytest.mark.requirement("AUTH-51")
async def test_who_was_never_here_gets_an_account_and_comes_back_to_it(shop: World, issuer: Issuer) -> None:
    refusal = await shop.refusal("LoginWithProvider", provider=GOOGLE, id_token=issuer.token())
    assert (refusal.status, refusal.reason) == ("FAILED_PRECONDITION", "PROFILE_REQUIRED")
    token = issuer.token(email="ann@example.org", email_verified=True)
    first = await login(shop, token, **NEW)
    assert first.created
    assert (first.user.nickname, first.user.email, first.user.email_verified) == ("Ann", "ann@example.org", True)
    # Another address over there makes nobody else of her here.
    again = await login(shop, issuer.token(email="other@example.org", email_verified=True))
    assert not again.created
    assert again.user.user_id == first.user.user_id
    [linked] = (await shop.call("ListProviders", again.tokens.access_token)).providers
    assert (linked.provider, linked.email) == (GOOGLE, "ann@example.org")
    assert (await shop.refusal("Login", email="ann@example.org", password=PASSWORD)).reason == "BAD_CREDENTIALS"


async def test_the_same_first_sign_in_twice_at_once_makes_one_account(shop: World, issuer: Issuer) -> None:
    answers = await asyncio.gather(*(login(shop, issuer.token(), **NEW) for _ in range(2)), return_exceptions=True)
    users = {answer.user.user_id for answer in answers if not isinstance(answer, BaseException)}
    assert len(users) == 1
    assert await shop.sql("SELECT COUNT(*) FROM account") == [(1,)]


@pytest.mark.requirement("AUTH-52")
async def test_who_claims_an_address_first_gets_nothing_of_its_owner(shop: World, issuer: Issuer) -> None:
    attacker = await shop.sign_up("Eve", email="victim@example.org")  # never confirmed
    token = issuer.token(email="victim@example.org", email_verified=True)
    victim = await login(shop, token, **NEW)
    assert victim.user.user_id != attacker.user_id
    assert victim.user.email == ""


@pytest.mark.requirement("AUTH-52")
async def test_who_took_anothers_address_does_not_come_back_by_an_identity(shop: World, issuer: Issuer) -> None:
    attacker = await shop.sign_up("Eve", email="victim@example.org")  # never confirmed
    for _ in range(2):
        await shop.call("LinkProvider", attacker.access, provider=GOOGLE, id_token=issuer.token())
    await until(lambda: told(shop, "PROVIDER_LINKED"))
    [noticed] = told(shop, "PROVIDER_LINKED")
    assert (noticed.user_id, noticed.session_id) == (attacker.user_id, attacker.tokens.session_id)
    await shop.call("RequestPasswordReset", email="victim@example.org")
    await shop.call("ResetPassword", token=await shop.token("victim@example.org", 2), new_password=OTHER)
    refusal = await shop.refusal("LoginWithProvider", provider=GOOGLE, id_token=issuer.token())
    assert refusal.reason == "PROFILE_REQUIRED"
    victim = await shop.call("Login", email="victim@example.org", password=OTHER)
    assert list((await shop.call("ListProviders", victim.tokens.access_token)).providers) == []


async def way_back(world: World) -> str:
    """What the owner of the victim's address takes the account with. Asked for first: calls that are held have a deadline."""
    await world.call("RequestPasswordReset", email="victim@example.org")
    return await world.token("victim@example.org", 2)


@pytest.mark.requirement("AUTH-52")
async def test_who_is_thrown_out_while_the_provider_is_asked_links_nothing(
    shop: World, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve = await shop.sign_up("Eve", email="victim@example.org")
    token = await way_back(shop)
    reached, go = hold(monkeypatch, IdTokens, "verify")
    linking = asyncio.create_task(shop.refusal("LinkProvider", eve.access, provider=GOOGLE, id_token=issuer.token()))
    await reached.wait()
    await shop.call("ResetPassword", token=token, new_password=OTHER)
    go.set()
    refusal = await linking
    assert (refusal.status, refusal.reason) == ("UNAUTHENTICATED", "SESSION_REVOKED")
    again = await shop.refusal("LoginWithProvider", provider=GOOGLE, id_token=issuer.token())
    assert again.reason == "PROFILE_REQUIRED"


@pytest.mark.requirement("AUTH-52")
async def test_who_is_thrown_out_while_signing_in_by_an_identity_is_not_signed_in(
    shop: World, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve = await shop.sign_up("Eve", email="victim@example.org")
    await shop.call("LinkProvider", eve.access, provider=GOOGLE, id_token=issuer.token())
    token = await way_back(shop)
    reached, go = hold(monkeypatch, ProviderRows, "find_owner")
    signing_in = asyncio.create_task(shop.refusal("LoginWithProvider", provider=GOOGLE, id_token=issuer.token()))
    await reached.wait()
    await shop.call("ResetPassword", token=token, new_password=OTHER)
    go.set()
    assert (await signing_in).reason == "CONTENTION"
    assert await shop.sql("SELECT COUNT(*) FROM session WHERE end_time IS NULL") == [(0,)]
    again = await shop.refusal("LoginWithProvider", provider=GOOGLE, id_token=issuer.token())
    assert again.reason == "PROFILE_REQUIRED"


@pytest.mark.requirement("AUTH-52")
async def test_a_confirmed_address_is_linked_by_its_owner_alone(shop: World, issuer: Issuer) -> None:
    owner = await shop.sign_up("Ann", email="ann@example.org")
    await shop.call("VerifyEmail", token=await shop.token("ann@example.org"))
    token = issuer.token(email="ann@example.org", email_verified=True)
    refusal = await shop.refusal("LoginWithProvider", provider=GOOGLE, id_token=token, nickname="Bob", time_zone="UTC")
    assert refusal.reason == "EMAIL_TAKEN"
    for _ in range(2):
        await shop.call("LinkProvider", owner.access, provider=GOOGLE, id_token=token)
    assert (await login(shop, token)).user.user_id == owner.user_id
    # An address that the provider does not vouch for is nobody's.
    unverified = issuer.token("s-2", email="ann@example.org", email_verified=False)
    stranger = await login(shop, unverified, nickname="Bob", time_zone="UTC")
    assert (stranger.created, stranger.user.email) == (True, "")


async def test_an_identity_belongs_to_one_account_and_an_account_has_one_of_a_provider(
    shop: World, issuer: Issuer
) -> None:
    ann, bob = await shop.sign_up("Ann"), await shop.sign_up("Bob")
    await shop.call("LinkProvider", ann.access, provider=GOOGLE, id_token=issuer.token("s-1"))
    taken = await shop.refusal("LinkProvider", bob.access, provider=GOOGLE, id_token=issuer.token("s-1"))
    assert (taken.status, taken.reason) == ("ALREADY_EXISTS", "PROVIDER_LINKED_ELSEWHERE")
    second = await shop.refusal("LinkProvider", ann.access, provider=GOOGLE, id_token=issuer.token("s-2"))
    assert second.reason == "PROVIDER_ALREADY_LINKED"
    await shop.call("UnlinkProvider", ann.access, provider=GOOGLE)
    assert (await shop.refusal("UnlinkProvider", ann.access, provider=GOOGLE)).reason == "PROVIDER_NOT_LINKED"
    await shop.call("LinkProvider", bob.access, provider=GOOGLE, id_token=issuer.token("s-1"))


async def test_the_last_way_in_cannot_be_removed(shop: World, issuer: Issuer) -> None:
    signed_in = await login(shop, issuer.token(email="ann@example.org", email_verified=True), **NEW)
    access = signed_in.tokens.access_token
    refusal = await shop.refusal("UnlinkProvider", access, provider=GOOGLE)
    assert (refusal.status, refusal.reason) == ("FAILED_PRECONDITION", "LAST_SIGN_IN_METHOD")
    await shop.call("RequestPasswordReset", email="ann@example.org")
    token = await shop.token("ann@example.org")
    await shop.call("ResetPassword", token=token, new_password=PASSWORD)
    again = await shop.call("Login", email="ann@example.org", password=PASSWORD)
    await shop.call("UnlinkProvider", again.tokens.access_token, provider=GOOGLE)


async def test_who_has_no_password_deletes_the_account_by_an_id_token(shop: World, issuer: Issuer) -> None:
    signed_in = await login(shop, issuer.token(), **NEW)
    access = signed_in.tokens.access_token
    assert (await shop.refusal("DeleteMe", access)).fields == ["password"]
    assert (await shop.refusal("DeleteMe", access, password=PASSWORD)).reason == "BAD_CREDENTIALS"
    assert (await shop.refusal("DeleteMe", access, id_token=issuer.token("s-2"))).reason == "BAD_CREDENTIALS"
    await shop.call("DeleteMe", access, id_token=issuer.token())
    assert await shop.sql("SELECT COUNT(*) FROM provider_login") == [(0,)]
    await becomes_revoked(shop, access)
    assert (await login(shop, issuer.token(), **NEW)).created


async def test_a_provider_that_is_not_set_up_is_not_offered(shop: World, issuer: Issuer) -> None:
    refusal = await shop.refusal("LoginWithProvider", provider=APPLE, id_token=issuer.token())
    assert (refusal.status, refusal.reason) == ("FAILED_PRECONDITION", "PROVIDER_NOT_OFFERED")
    assert (await shop.refusal("LoginWithProvider", provider=7, id_token="x")).fields == ["provider"]


# --- tokens by themselves ---------------------------------------------------------------------------------------------


@pytest.fixture
async def tokens(issuer: Issuer, providers_file: Path) -> AsyncIterator[IdTokens]:
    clock = FakeClock()
    made = IdTokens(read_sources(providers_file), clock)
    made.clock = clock  # type: ignore[attr-defined]
    assert issuer
    yield made
    await made.close()


def clock_of(tokens: IdTokens) -> FakeClock:
    clock: FakeClock = tokens.clock  # type: ignore[attr-defined]
    return clock


NONCE = "raw nonce"
HASHED = hashlib.sha256(NONCE.encode()).hexdigest()


@pytest.mark.requirement("AUTH-51")
@pytest.mark.parametrize(
    ("changes", "nonce"),
    [
        ({"iss": "https://evil.example"}, None),
        ({"iss": None}, None),
        ({"aud": "another app"}, None),
        ({"aud": None}, None),
        ({"aud": [AUDIENCE, "another app"]}, None),
        ({"aud": []}, None),
        ({"sub": ""}, None),
        ({"sub": None}, None),
        ({"sub": 7}, None),
        ({"sub": "é"}, None),
        ({"sub": "x" * 256}, None),
        ({"exp": None}, None),
        ({"exp": 10}, None),
        ({"exp": "9999999999"}, None),
        ({"iat": None}, None),
        ({"iat": 4_000_000_000}, None),
        ({"iat": 1_000_000_000}, None),
        ({"nonce": HASHED}, None),
        ({}, NONCE),
        ({"nonce": NONCE}, NONCE),
        ({"nonce": HASHED}, "another nonce"),
        ({"nonce": 7}, NONCE),
    ],
)
async def test_bad_claims_are_refused(
    tokens: IdTokens, issuer: Issuer, changes: dict[str, Any], nonce: str | None
) -> None:
    token = issuer.token(at=clock_of(tokens).now(), **changes)
    with pytest.raises(IdTokenInvalid):
        await tokens.verify(Provider.GOOGLE, token, nonce)


@pytest.mark.requirement("AUTH-51")
async def test_good_tokens_are_taken_and_forged_ones_are_not(tokens: IdTokens, issuer: Issuer) -> None:
    now = clock_of(tokens).now()
    good = issuer.token(at=now, nonce=HASHED, aud=[AUDIENCE], email="a@b.co", email_verified="true")
    found = await tokens.verify(Provider.GOOGLE, good, NONCE)
    assert (found.subject, found.email and found.email.text) == ("s-1", "a@b.co")
    head, body, signature = good.split(".")
    stranger = Issuer(keys={"k1": generate_private_key(65537, 2048)}, port=issuer.port)
    claims = jwt.decode(good, options={"verify_signature": False})
    forged = [
        f"{head}.{body}.",
        f"{head}.{issuer.token('s-2', at=now).split('.')[1]}.{signature}",
        stranger.token(at=now, nonce=HASHED),
        jwt.encode(claims, "", "none", {"kid": "k1"}),
        jwt.encode(claims, "x" * 64, "HS256", {"kid": "k1"}),
        jwt.encode(claims, issuer.keys["k1"], "RS512", {"kid": "k1"}),
        jwt.encode(claims, issuer.keys["k1"], "RS256"),
        "x.y.z",
        "é",
        "x" * 9_000,
    ]
    for token in forged:
        with pytest.raises(IdTokenInvalid):
            await tokens.verify(Provider.GOOGLE, token, NONCE)
    with pytest.raises(ProviderNotOffered):
        await tokens.verify(Provider.KAKAO, good, NONCE)


@pytest.mark.requirement("AUTH-53")
async def test_strange_keys_cost_one_fetch_a_minute(tokens: IdTokens, issuer: Issuer) -> None:
    clock = clock_of(tokens)
    await tokens.verify(Provider.GOOGLE, issuer.token(at=clock.now()), None)
    assert issuer.asked == 1
    strange = jwt.encode({"iss": issuer.issuer}, issuer.keys["k1"], "RS256", {"kid": "strange"})
    for _ in range(300):
        with pytest.raises(IdTokenInvalid):
            await tokens.verify(Provider.GOOGLE, strange, None)
    assert issuer.asked == 1
    clock.advance(AGAIN_S)
    issuer.keys["k2"] = generate_private_key(65537, 2048)
    await tokens.verify(Provider.GOOGLE, issuer.token(key="k2", at=clock.now()), None)
    assert issuer.asked == 2


@pytest.mark.requirement("AUTH-53")
async def test_who_leaves_while_keys_are_fetched_takes_them_from_nobody(tokens: IdTokens, issuer: Issuer) -> None:
    issuer.open.clear()
    token = issuer.token(at=clock_of(tokens).now())
    first, second = (asyncio.create_task(tokens.verify(Provider.GOOGLE, token, None)) for _ in range(2))
    await until(lambda: issuer.asked == 1)
    first.cancel()
    issuer.open.set()
    assert (await second).subject == "s-1"
    assert (await tokens.verify(Provider.GOOGLE, token, None)).subject == "s-1"
    assert first.cancelled()
    assert issuer.asked == 1


@pytest.mark.requirement("AUTH-53")
@pytest.mark.parametrize(
    "trouble", [{"status": 500}, {"body": b"<html>"}, {"body": b'{"keys": []}'}, {"body": b"x" * 300_000}]
)
async def test_keys_that_cannot_be_read_are_used_for_a_day(
    tokens: IdTokens, issuer: Issuer, trouble: dict[str, Any]
) -> None:
    clock = clock_of(tokens)
    await tokens.verify(Provider.GOOGLE, issuer.token(at=clock.now()), None)
    for name, value in trouble.items():
        setattr(issuer, name, value)
    clock.advance(KEPT_S - 60)
    await tokens.verify(Provider.GOOGLE, issuer.token(at=clock.now()), None)
    clock.advance(120)
    with pytest.raises(ProviderUnavailable):
        await tokens.verify(Provider.GOOGLE, issuer.token(at=clock.now()), None)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"GITHUB": {"audiences": ["x"]}}',
        '{"GOOGLE": {}}',
        '{"GOOGLE": {"audiences": []}}',
        '{"GOOGLE": {"audiences": ["x"], "jwks_url": "http://example.org/keys"}}',
        '{"GOOGLE": {"audiences": ["x"], "misspelt": 1}}',
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "providers.json"
    path.write_text(text)
    with pytest.raises(ConfigError):
        read_sources(path)
