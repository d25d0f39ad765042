"""Refresh tokens: secrets that are derived, so that a lost answer can be given again and nothing usable is stored.

The secret of generation n of a session is HMAC-SHA-256(session key, session id ‖ n); the session key comes by HKDF
(RFC 5869) from a root key that lives in a file, its id and the session id. A database dump therefore holds no token,
and a forged token is recognised before any query. Which generation is still good is `session`'s question.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from firewalker.kernel.ids import SessionId

ROOT_KEY_BYTES = 32
"""Size of a root key: 256 bits."""

_PREFIX = "fwr1_"  # names the format: leaked-secret scanners find it, and a later format can be told apart
_KEY_ID_BYTES = 4
_SECRET_BYTES = 32
_TOKEN_BYTES = _KEY_ID_BYTES + 16 + 4 + _SECRET_BYTES
_TEXT_LENGTH = len(_PREFIX) + (_TOKEN_BYTES * 4 + 2) // 3
_MAX_GENERATION = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True, repr=False)
class RefreshToken:
    """One generation of one session, with its secret. Its `repr` shows nothing."""

    session_id: SessionId
    generation: int
    key_id: bytes
    secret: bytes

    @property
    def text(self) -> str:
        """What the client holds; opaque to it."""
        raw = self.key_id + self.session_id.bytes + self.generation.to_bytes(4, "big") + self.secret
        return _PREFIX + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    @property
    def hash(self) -> bytes:
        """SHA-256 of the secret, 32 bytes: the trace that is kept of it."""
        return hashlib.sha256(self.secret).digest()

    def __repr__(self) -> str:
        return "RefreshToken(…)"


class RefreshKeys:
    """The root keys, the newest first: it makes new generations; the others still verify and repeat theirs."""

    def __init__(self, roots: Sequence[bytes]) -> None:
        if not roots or any(len(root) != ROOT_KEY_BYTES for root in roots):
            message = f"refresh keys must be {ROOT_KEY_BYTES} bytes each, and there must be one"
            raise ValueError(message)
        self._roots = {
            hashlib.sha256(b"firewalker refresh key id" + root).digest()[:_KEY_ID_BYTES]: root for root in roots
        }
        self._newest = next(iter(self._roots))

    def issue(self, session_id: SessionId, generation: int, key_id: bytes | None = None) -> RefreshToken:
        """The token of that generation: always the same one for the same *key_id*, which defaults to the newest key's.

        Raises:
            LookupError: The key of that id was removed.
        """
        key_id = key_id or self._newest
        if not 1 <= generation <= _MAX_GENERATION:
            message = f"generation out of range: {generation}"
            raise ValueError(message)
        session_key = _hkdf(self._roots[key_id], b"firewalker refresh" + key_id + session_id.bytes)
        secret = hmac.digest(session_key, session_id.bytes + generation.to_bytes(4, "big"), "sha256")
        return RefreshToken(session_id, generation, key_id, secret)

    def open(self, text: str) -> RefreshToken | None:
        """Read what a client presents; None unless it was made with one of these keys. Takes the same time either way.

        Says nothing about whether the session lives or the generation is still good.
        """
        if len(text) != _TEXT_LENGTH or not text.startswith(_PREFIX) or not text.isascii():
            return None
        body = text[len(_PREFIX) :]
        try:
            raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        except binascii.Error:
            return None
        key_id, session, generation = raw[:4], SessionId(UUID(bytes=raw[4:20])), int.from_bytes(raw[20:24], "big")
        if key_id not in self._roots or generation == 0:
            return None
        token = self.issue(session, generation, key_id)
        # Compared as text: base64 has spare bits at its end, and one token must not have several spellings.
        return token if hmac.compare_digest(token.text, text) else None


def _hkdf(root: bytes, info: bytes) -> bytes:
    """HKDF-SHA-256 without salt, one block: 32 bytes."""
    extracted = hmac.digest(bytes(32), root, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")
