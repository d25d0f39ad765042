"""Page tokens: where a list goes on, sealed so that clients can neither read nor make nor move one. Cursors are the stores'."""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from firewalker.kernel.faults import PageTokenInvalid

KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = b"\x01"

_MAX_TOKEN_CHARACTERS = 1_024
"""Longer texts are refused before anything is computed from them; ours have some 100 characters."""


class PageTokens:
    """Seals cursors with AES-256-GCM, bound to the query that they belong to.

    All processes of a service share the key. The nonce is random: safe for some four billion tokens with one key.
    """

    def __init__(self, key: bytes) -> None:
        """*key* has 32 bytes.

        Raises:
            ValueError: It has not.
        """
        if len(key) != KEY_BYTES:
            raise ValueError(f"the page token key has {KEY_BYTES} bytes")
        self._cipher = AESGCM(key)

    def seal(self, query: str, cursor: str) -> str:
        """A token in URL-safe characters that gives *cursor* back for the same *query*.

        *query* names everything that the cursor depends on: the RPC, the caller, the filters.
        """
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, cursor.encode(), _VERSION + query.encode())
        return urlsafe_b64encode(_VERSION + nonce + sealed).rstrip(b"=").decode("ascii")

    def open(self, query: str, token: str) -> str | None:
        """The cursor in *token*; None for the empty token, which means the first page.

        Raises:
            PageTokenInvalid: Not sealed by us for this *query*.
        """
        if not token:
            return None
        if len(token) > _MAX_TOKEN_CHARACTERS:
            raise PageTokenInvalid
        try:
            raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
            nonce, sealed = raw[1 : 1 + _NONCE_BYTES], raw[1 + _NONCE_BYTES :]
            return self._cipher.decrypt(nonce, sealed, raw[:1] + query.encode()).decode()
        except (Base64Error, UnicodeError, InvalidTag, ValueError):
            raise PageTokenInvalid from None
