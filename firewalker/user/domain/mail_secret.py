"""The tokens that mails carry: derived like refresh tokens, so that no database, queue or dump holds one that works."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from uuid import UUID

from firewalker.kernel.ids import MailId

_PREFIX = "fwm1_"
_KEY_ID_BYTES = 4
_MAC_BYTES = 32
_BYTES = _KEY_ID_BYTES + 16 + _MAC_BYTES
_TEXT_LENGTH = len(_PREFIX) + (_BYTES * 4 + 2) // 3


class MailKeys:
    """The root keys, the newest first. They may be those of the refresh tokens: what is derived from them differs."""

    def __init__(self, roots: Sequence[bytes]) -> None:
        if not roots:
            raise ValueError("there must be a key")
        self._keys = {
            hashlib.sha256(b"firewalker mail key id" + root).digest()[:_KEY_ID_BYTES]: hmac.digest(
                root, b"firewalker mail token", "sha256"
            )
            for root in roots
        }
        self._newest = next(iter(self._keys))

    def issue(self, token_id: MailId, key_id: bytes | None = None) -> str:
        """The token of that id: always the same for the same *key_id*, which defaults to the newest key's."""
        key_id = key_id or self._newest
        mac = hmac.digest(self._keys[key_id], token_id.bytes, "sha256")
        return _PREFIX + base64.urlsafe_b64encode(key_id + token_id.bytes + mac).rstrip(b"=").decode()

    def open(self, text: str) -> MailId | None:
        """The id in a token; None unless it was made with one of these keys. What it is good for is not told."""
        if len(text) != _TEXT_LENGTH or not text.startswith(_PREFIX) or not text.isascii():
            return None
        body = text[len(_PREFIX) :]
        try:
            raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        except binascii.Error:
            return None
        key_id, token_id = raw[:_KEY_ID_BYTES], MailId(UUID(bytes=raw[_KEY_ID_BYTES : _KEY_ID_BYTES + 16]))
        if key_id not in self._keys:
            return None
        return token_id if hmac.compare_digest(self.issue(token_id, key_id), text) else None
