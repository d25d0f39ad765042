"""Verification of access tokens. Signing lives with the user service alone: no other process has the private key."""

import binascii
import json
import re
from base64 import urlsafe_b64decode
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from firewalker.kernel.clock import Clock, SystemClock
from firewalker.kernel.faults import AccessTokenExpired, Unauthenticated
from firewalker.kernel.ids import SessionId, UserId, parse_uuid
from firewalker.kernel.principal import Principal
from firewalker.runtime.config import ConfigError

ALGORITHM = "EdDSA"
"""The one algorithm of access tokens (AUTH-01); never taken from a token."""

TYPE = "at+jwt"
"""The `typ` of access tokens (RFC 9068), so that no other JWT of ours passes for one."""

ISSUER = "firewalker"
AUDIENCE = "firewalker"

LIFETIME = timedelta(minutes=10)
"""How long an access token is good (contract)."""

MAX_LIFETIME = timedelta(minutes=15)
"""`exp - iat` may never exceed this, whatever is configured (AUTH-02)."""

LEEWAY = timedelta(seconds=5)
"""How far clocks may differ (AUTH-04)."""

MAX_TOKEN_BYTES = 4096
"""Longer text is refused unread (AUTH-05)."""

_MAX_HEADER_BYTES = 512
_MAX_HEADER_FIELDS = 8
_CACHED_TOKENS = 20_000
"""Verified tokens kept: the live sessions of one process with room to spare, about 1 KiB each."""

_CLAIMS = ("iss", "aud", "sub", "iat", "exp", "jti", "sid")
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class KeyRing:
    """The public keys that access tokens may be signed with, by key id. In memory; nothing is ever fetched (AUTH-03)."""

    def __init__(self, keys: Mapping[str, Ed25519PublicKey], retiring: Mapping[str, float] | None = None) -> None:
        """*retiring* tells for some keys until when (Unix seconds) they verify."""
        if not keys:
            raise ValueError("a key ring needs at least one key")
        self.keys = dict(keys)
        self.retiring = dict(retiring or {})
        self.edition = 0
        """Another number after each change."""

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a JWKS (RFC 7517) of Ed25519 keys.

        Raises:
            ConfigError: Not a JWKS, a key of another kind, or a private key, which has no business here.
        """
        try:
            return cls.from_jwks(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(f"{path}: {error}") from error

    @classmethod
    def from_jwks(cls, text: str) -> Self:
        """The same, from its JSON text. Raises ValueError."""
        document = json.loads(text)
        if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
            raise ValueError("not a JSON Web Key Set")  # noqa: TRY004 - the text is wrong, not a type of ours
        keys = dict(_key(entry) for entry in document["keys"])
        return cls(keys, {entry["kid"]: _retires(entry["exp"]) for entry in document["keys"] if "exp" in entry})

    def find(self, key_id: str, now_s: float) -> Ed25519PublicKey | None:
        """The key of that id, unless it has retired by *now_s*."""
        until_s = self.retiring.get(key_id)
        return None if until_s is not None and now_s >= until_s else self.keys.get(key_id)

    def all(self, now_s: float) -> Mapping[str, bytes]:
        """The 32 bytes of every key that verifies at *now_s*, by its id."""
        return {
            key_id: key.public_bytes_raw() for key_id, key in self.keys.items() if self.find(key_id, now_s) is not None
        }

    def become(self, other: "KeyRing") -> None:
        """Hold the keys of *other* from here on."""
        self.keys, self.retiring = other.keys, other.retiring
        self.edition += 1


class AccessTokens:
    """Turns the text of an access token into the principal it stands for.

    A token that verified once is remembered until it expires, so that the calls of a session cost a dictionary lookup
    each. Revocation is not judged here: see `firewalker.runtime.revocation`.
    """

    def __init__(
        self,
        keys: KeyRing,
        *,
        clock: Clock | None = None,
        issuer: str = ISSUER,
        audience: str = AUDIENCE,
        lifetime: timedelta = LIFETIME,
    ) -> None:
        """*lifetime* is the longest `exp - iat` accepted, at most 15 minutes."""
        if not timedelta() < lifetime <= MAX_LIFETIME:
            raise ValueError(f"the lifetime of access tokens must be within {MAX_LIFETIME}")
        self._keys = keys
        self._edition = keys.edition
        self._clock = clock or SystemClock()
        self._issuer = issuer
        self._audience = audience
        self._lifetime_s = lifetime.total_seconds()
        self._verified: OrderedDict[str, tuple[Principal, float]] = OrderedDict()
        self._jwt = jwt.PyJWT()

    def verify(self, token: str) -> Principal:
        """The principal that *token*, a JWT in compact form, stands for.

        Raises:
            AccessTokenExpired: It was good, but is over by more than the leeway.
            Unauthenticated: It is not a token of ours in every respect.
        """
        if self._edition != self._keys.edition:
            # A key may have been taken away because it was stolen: what it signed is judged anew.
            self._edition = self._keys.edition
            self._verified.clear()
        found = self._verified.get(token)
        now_s = self._clock.now().timestamp()
        if found is not None:
            principal, good_until_s = found
            if now_s < good_until_s:
                return principal
            del self._verified[token]
            raise AccessTokenExpired
        principal, good_until_s = self._verify(token, now_s)
        if len(self._verified) >= _CACHED_TOKENS:
            self._verified.popitem(last=False)
        self._verified[token] = (principal, good_until_s)
        return principal

    def _verify(self, token: str, now_s: float) -> tuple[Principal, float]:
        if len(token) > MAX_TOKEN_BYTES or not token.isascii():
            raise Unauthenticated
        key = self._keys.find(_key_id(token), now_s)
        if key is None:
            raise Unauthenticated
        try:
            claims = self._jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                # Times are judged below, by our clock; PyJWT would use the machine's.
                options={
                    "require": list(_CLAIMS),
                    "strict_aud": True,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise Unauthenticated from error
        return self._judge(claims, now_s)

    def _judge(self, claims: Mapping[str, Any], now_s: float) -> tuple[Principal, float]:
        issued_s, expires_s, not_before_s = claims["iat"], claims["exp"], claims.get("nbf", 0)
        if not all(type(value) is int for value in (issued_s, expires_s, not_before_s)):
            raise Unauthenticated
        leeway_s = LEEWAY.total_seconds()
        # A time before 1970 would be refused for its age, had its number a place in arithmetic (it may have 400 digits).
        if issued_s < 0:
            raise Unauthenticated
        if not 0 < expires_s - issued_s <= self._lifetime_s or max(issued_s, not_before_s) > now_s + leeway_s:
            raise Unauthenticated
        texts = [claims[name] for name in ("sub", "sid", "jti")]
        if not all(isinstance(text, str) for text in texts):
            raise Unauthenticated
        user_id, session_id = parse_uuid(texts[0]), parse_uuid(texts[1])
        if user_id is None or session_id is None or not texts[2]:
            raise Unauthenticated
        good_until_s = expires_s + leeway_s
        if now_s >= good_until_s:
            raise AccessTokenExpired
        issued, expires = datetime.fromtimestamp(issued_s, UTC), datetime.fromtimestamp(expires_s, UTC)
        return Principal(UserId(user_id), SessionId(session_id), texts[2], issued, expires), good_until_s


def _key_id(token: str) -> str:
    """The `kid` of the token's header, after the header was found to be small and of our type.

    Read before anything is verified, so it only selects from the ring. Parameters that carry or name keys (`jku`,
    `jwk`, `x5u`, `x5c`) are not looked at.
    """
    head, _, rest = token.partition(".")
    if rest.count(".") != 1 or len(head) > _MAX_HEADER_BYTES:
        raise Unauthenticated
    try:
        fields = json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise Unauthenticated from error
    if not isinstance(fields, dict) or len(fields) > _MAX_HEADER_FIELDS:
        raise Unauthenticated
    key_id = fields.get("kid")
    if fields.get("typ") != TYPE or fields.get("alg") != ALGORITHM or not isinstance(key_id, str):
        raise Unauthenticated
    return key_id


def _retires(exp: object) -> float:
    if not isinstance(exp, int | float):
        raise ValueError("the exp of a key is no number")  # noqa: TRY004 - the text is wrong, not a type of ours
    return float(exp)


def _key(entry: object) -> tuple[str, Ed25519PublicKey]:
    if not isinstance(entry, dict):
        raise ValueError("a key of the set is not an object")  # noqa: TRY004 - the text is wrong, not a type of ours
    if "d" in entry:
        raise ValueError("the key set contains a private key")
    key_id = entry.get("kid")
    if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
        raise ValueError("a key of the set has no usable kid")
    if (entry.get("kty"), entry.get("crv")) != ("OKP", "Ed25519") or entry.get("alg", ALGORITHM) != ALGORITHM:
        raise ValueError(f"key {key_id} is not an Ed25519 key")
    raw = str(entry.get("x", ""))
    return key_id, Ed25519PublicKey.from_public_bytes(urlsafe_b64decode(raw + "=" * (-len(raw) % 4)))
