"""Access tokens for tests: a key pair, its JWKS, and tokens that are right but for what a test changes."""

import json
import uuid
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from firewalker.kernel.ids import new_uuid7
from firewalker.runtime.tokens import ALGORITHM, AUDIENCE, ISSUER, LIFETIME, TYPE, KeyRing


class Signer:
    """Signs as the user service does."""

    def __init__(self, key_id: str = "key-1", private_key: Ed25519PrivateKey | None = None) -> None:
        self.key_id = key_id
        self.private_key = private_key or Ed25519PrivateKey.generate()

    @property
    def public_bytes(self) -> bytes:
        return self.private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def jwk(self, **changes: Any) -> dict[str, Any]:
        text = urlsafe_b64encode(self.public_bytes).rstrip(b"=").decode()
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": ALGORITHM,
            "use": "sig",
            "kid": self.key_id,
            "x": text,
            **changes,
        }

    def jwks(self) -> str:
        return json.dumps({"keys": [self.jwk()]})

    def ring(self) -> KeyRing:
        return KeyRing.from_jwks(self.jwks())

    def claims(self, now: datetime | None = None, lifetime: timedelta = LIFETIME, **changes: Any) -> dict[str, Any]:
        """The claims of a good token; a change to None leaves the claim out."""
        issued = int((now or datetime.now(UTC)).timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(new_uuid7()),
            "sid": str(new_uuid7()),
            "jti": uuid.uuid4().hex,
            "iat": issued,
            "exp": issued + int(lifetime.total_seconds()),
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def sign(self, claims: dict[str, Any], **headers: Any) -> str:
        """The token of *claims*; a header changed to None is left out where that is possible."""
        return jwt.encode(claims, self.private_key, ALGORITHM, headers={"typ": TYPE, "kid": self.key_id, **headers})

    def token(self, now: datetime | None = None, lifetime: timedelta = LIFETIME, **changes: Any) -> str:
        return self.sign(self.claims(now, lifetime, **changes))
