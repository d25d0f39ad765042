"""AUTH-01 to AUTH-05: of all that looks like an access token, only ours is one."""

import json
import socket
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from firewalker.kernel.faults import AccessTokenExpired, Fault, Unauthenticated
from firewalker.runtime.tokens import LEEWAY, LIFETIME, MAX_TOKEN_BYTES, AccessTokens, KeyRing
from tests.support.clock import NOON, FakeClock
from tests.support.signing import Signer

SIGNER = Signer()
STRANGER = Signer()


def verifier(clock: FakeClock | None = None, **options: Any) -> AccessTokens:
    return AccessTokens(SIGNER.ring(), clock=clock or FakeClock(), **options)


def b64(data: bytes | dict[str, Any]) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def hand_made(headers: Any, claims: Any, signature: bytes) -> str:
    return f"{b64(headers)}.{b64(claims)}.{b64(signature)}"


def good(**changes: Any) -> str:
    return SIGNER.token(NOON, **changes)


def test_a_good_token_is_its_principal() -> None:
    claims = SIGNER.claims(NOON)
    principal = verifier().verify(SIGNER.sign(claims))
    assert str(principal.user_id) == claims["sub"]
    assert str(principal.session_id) == claims["sid"]
    assert principal.token_id == claims["jti"]
    assert principal.expires == NOON + LIFETIME


def _rs256() -> str:
    key = generate_private_key(65537, 2048)
    return jwt.encode(SIGNER.claims(NOON), key, "RS256", headers={"typ": "at+jwt", "kid": "key-1"})


def _swapped() -> str:
    head, _, signature = good().split(".")
    return f"{head}.{b64(SIGNER.claims(NOON))}.{signature}"


HEAD = {"alg": "EdDSA", "typ": "at+jwt", "kid": "key-1"}

FORGED: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "not a token": lambda: "abc",
    "two parts": lambda: "a.b",
    "four parts": lambda: good() + ".x",
    "not base64": lambda: "!!!.???.***",
    "header is a list": lambda: hand_made(b"[]", SIGNER.claims(NOON), b"x"),
    "header nested deep": lambda: hand_made(b"[" * 100, SIGNER.claims(NOON), b"x"),
    "alg none": lambda: hand_made({**HEAD, "alg": "none"}, SIGNER.claims(NOON), b""),
    "alg None in capitals": lambda: hand_made({**HEAD, "alg": "NONE"}, SIGNER.claims(NOON), b""),
    "alg in lower case": lambda: hand_made({**HEAD, "alg": "eddsa"}, SIGNER.claims(NOON), b"x" * 64),
    "HS256 keyed with the public key": lambda: jwt.encode(
        SIGNER.claims(NOON), SIGNER.public_bytes, "HS256", headers={"typ": "at+jwt", "kid": "key-1"}
    ),
    "RS256": _rs256,
    "empty signature": lambda: good().rpartition(".")[0] + ".",
    "signature of another token": _swapped,
    "another's key under our kid": lambda: STRANGER.sign(SIGNER.claims(NOON)),
    "unknown kid": lambda: SIGNER.sign(SIGNER.claims(NOON), kid="key-2"),
    "kid is a number": lambda: hand_made({**HEAD, "kid": 1}, SIGNER.claims(NOON), b"x"),
    "no kid": lambda: hand_made({"alg": "EdDSA", "typ": "at+jwt"}, SIGNER.claims(NOON), b"x"),
    "key in the header": lambda: STRANGER.sign(SIGNER.claims(NOON), jwk=STRANGER.jwk()),
    "typ JWT": lambda: SIGNER.sign(SIGNER.claims(NOON), typ="JWT"),
    "typ of an id token": lambda: SIGNER.sign(SIGNER.claims(NOON), typ="id+jwt"),
    "unknown crit": lambda: SIGNER.sign(SIGNER.claims(NOON), crit=["x"], x=1),
    "too many header fields": lambda: SIGNER.sign(SIGNER.claims(NOON), **{f"x{n}": n for n in range(9)}),
    "a long header": lambda: SIGNER.sign(SIGNER.claims(NOON), x="y" * 600),
    "wrong issuer": lambda: good(iss="firewalker.example"),
    "issuer is a part of ours": lambda: good(iss="firewalk"),
    "wrong audience": lambda: good(aud="other"),
    "audience among others": lambda: good(aud=["firewalker", "other"]),
    "audience as a list": lambda: good(aud=["firewalker"]),
    "lives too long": lambda: good(exp=int((NOON + timedelta(days=1)).timestamp())),
    "lives for ever": lambda: good(exp=10**12),
    "expires before it was issued": lambda: good(exp=int(NOON.timestamp()) - 1),
    "exp is text": lambda: good(exp=str(int(NOON.timestamp()) + 600)),
    "iat is a fraction": lambda: good(iat=NOON.timestamp() - 0.5),
    "exp is true": lambda: good(exp=True, iat=False),
    "not valid yet": lambda: good(nbf=int(NOON.timestamp()) + 60),
    "sub is no id": lambda: good(sub="me"),
    "sid is no id": lambda: good(sid="{" + "0" * 36 + "}"),
    "jti is empty": lambda: good(jti=""),
    "jti is a number": lambda: good(jti=7),
    "claims are a list": lambda: hand_made(HEAD, b"[]", b"x" * 64),
    "longer than 4 KiB": lambda: good(x="y" * MAX_TOKEN_BYTES),
    "not ASCII": lambda: good() + "\u00e9",
}


@pytest.mark.requirement("AUTH-01", "AUTH-02", "AUTH-03")
@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_is_refused(name: str) -> None:
    with pytest.raises(Unauthenticated):
        verifier().verify(FORGED[name]())


@pytest.mark.requirement("AUTH-02")
@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "iat", "exp", "jti", "sid"])
def test_every_claim_is_required(claim: str) -> None:
    with pytest.raises(Unauthenticated):
        verifier().verify(good(**{claim: None}))


@pytest.mark.requirement("AUTH-02")
@given(
    changes=st.dictionaries(
        st.sampled_from(["iss", "aud", "sub", "iat", "exp", "jti", "sid"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=2),
        min_size=1,
    )
)
def test_claims_of_other_types_and_values_are_refused(changes: dict[str, Any]) -> None:
    if set(changes) == {"jti"} and isinstance(changes["jti"], str) and changes["jti"]:
        return  # any name will do
    claims = {**SIGNER.claims(NOON), **changes}
    if isinstance(claims["iss"], bool | int | list):
        # PyJWT refuses to sign these; what signs them by hand is refused for its signature.
        return
    token = SIGNER.sign({name: value for name, value in claims.items() if value is not None})
    with pytest.raises((Unauthenticated, AccessTokenExpired)):
        verifier().verify(token)


@pytest.mark.requirement("AUTH-04")
@pytest.mark.parametrize(("after_exp_s", "good"), [(-1, True), (0, True), (4, True), (5, False), (6, False)])
def test_a_token_is_good_until_its_expiry_and_the_leeway(after_exp_s: int, *, good: bool) -> None:
    clock = FakeClock()
    token = SIGNER.token(clock.now())
    clock.advance(LIFETIME + timedelta(seconds=after_exp_s))
    tokens = verifier(clock)
    if good:
        tokens.verify(token)
    else:
        with pytest.raises(AccessTokenExpired):
            tokens.verify(token)


@pytest.mark.requirement("AUTH-04")
def test_a_token_from_the_future_is_refused_past_the_leeway() -> None:
    verifier().verify(SIGNER.token(NOON + LEEWAY))
    with pytest.raises(Unauthenticated):
        verifier().verify(SIGNER.token(NOON + LEEWAY + timedelta(seconds=1)))


def test_a_remembered_token_expires_all_the_same() -> None:
    clock = FakeClock()
    tokens = verifier(clock)
    token = SIGNER.token(clock.now())
    assert tokens.verify(token) is tokens.verify(token)
    clock.advance(LIFETIME + LEEWAY)
    with pytest.raises(AccessTokenExpired):
        tokens.verify(token)
    with pytest.raises(AccessTokenExpired):
        tokens.verify(token)


@pytest.mark.requirement("AUTH-03")
def test_keys_named_in_a_token_are_never_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    tokens = verifier()
    for number in range(100):
        url = f"http://127.0.0.1:9/{number}"
        token = STRANGER.sign(SIGNER.claims(NOON), kid=f"k{number}", jku=url, x5u=url)
        with pytest.raises(Unauthenticated):
            tokens.verify(token)


@pytest.mark.requirement("AUTH-05")
def test_a_huge_token_is_refused_unread() -> None:
    huge = good() + "A" * 2**20
    with pytest.raises(Unauthenticated):
        verifier().verify(huge)


@given(st.binary(max_size=300))
def test_any_bytes_are_no_token(data: bytes) -> None:
    with pytest.raises(Fault):
        verifier().verify(data.decode("latin-1"))


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_token_with_any_byte_changed_is_refused_or_the_same(position: int, change: int) -> None:
    token = good()
    position %= len(token)
    changed = token[:position] + chr((ord(token[position]) ^ change) & 0x7F) + token[position + 1 :]
    try:
        verifier().verify(changed)
    except Fault:
        return
    # The last character of a base64 part has unused bits: the same bytes in other letters.
    parts = [urlsafe_b64decode(part + "==") for text in (token, changed) for part in text.split(".")]
    assert parts[:3] == parts[3:]


@pytest.mark.parametrize(
    "changes",
    [
        {"d": "AA"},
        {"kty": "RSA"},
        {"crv": "X25519"},
        {"alg": "ES256"},
        {"kid": ""},
        {"kid": None},
        {"x": "AA"},
        {"exp": None},
        {"exp": "soon"},
    ],
)
def test_a_key_ring_takes_nothing_but_public_ed25519_keys(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any of them
        KeyRing.from_jwks(json.dumps({"keys": [SIGNER.jwk(**changes)]}))


@pytest.mark.parametrize("text", ["[]", "{}", '{"keys": []}', '{"keys": [1]}'])
def test_what_is_no_key_set_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any of them
        KeyRing.from_jwks(text)


def test_a_lifetime_over_15_minutes_cannot_be_configured() -> None:
    with pytest.raises(ValueError, match="lifetime"):
        verifier(lifetime=timedelta(minutes=16))


def test_a_token_of_a_second_key_of_the_ring_is_good() -> None:
    other = Signer("key-2")
    ring = KeyRing.from_jwks(json.dumps({"keys": [SIGNER.jwk(), other.jwk()]}))
    AccessTokens(ring, clock=FakeClock()).verify(other.token(NOON))
