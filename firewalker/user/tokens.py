"""Signs access tokens. The only place with the private key; verifying is `firewalker.runtime.tokens`'s work."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firewalker.kernel.ids import SessionId, UserId
from firewalker.runtime.config import ConfigError
from firewalker.runtime.tokens import ALGORITHM, AUDIENCE, ISSUER, LIFETIME, TYPE


@dataclass(frozen=True, slots=True, repr=False)
class AccessToken:
    """A signed access token and when it expires. Its `repr` shows nothing."""

    text: str
    expire_time: datetime

    def __repr__(self) -> str:
        return f"AccessToken(…, {self.expire_time})"


class AccessTokenSigner:
    """Makes access tokens (JWT, RFC 9068) that are good for 10 minutes."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.key_id = _thumbprint(key)
        """The `kid` of its tokens: the key's RFC 7638 thumbprint, as in the key set that verifiers read."""

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read an Ed25519 private key, PEM of PKCS#8, unencrypted.

        Raises:
            ConfigError: There is something else in the file.
            OSError: It cannot be read.
        """
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(f"{path} holds no unencrypted Ed25519 private key as PEM of PKCS#8")
        return cls(key)

    def load(self, path: Path) -> None:
        """Sign with the key in *path* from here on. Raises as `from_file` does."""
        other = type(self).from_file(path)
        self._key, self.key_id = other._key, other.key_id  # noqa: SLF001 - one of its own kind

    def sign(self, user_id: UserId, session_id: SessionId, at: datetime) -> AccessToken:
        """An access token for that user and session, issued at *at*; times in it are whole seconds."""
        issued = at.replace(microsecond=0)
        expires = issued + LIFETIME
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "iat": int(issued.timestamp()),
            "exp": int(expires.timestamp()),
            "jti": secrets.token_urlsafe(12),
            "sid": str(session_id),
        }
        text = jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"kid": self.key_id, "typ": TYPE})
        return AccessToken(text, expires)


def _thumbprint(key: Ed25519PrivateKey) -> str:
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(raw)}
    canonical = json.dumps(jwk, separators=(",", ":"), sort_keys=True)
    return _base64url(hashlib.sha256(canonical.encode()).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
