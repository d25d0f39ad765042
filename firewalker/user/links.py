"""Links of invites, and their QR pictures."""

import io

import segno

from firewalker.user.domain.invite import Invite

_MODULE_PIXELS = 8
"""Width of one black square: with its quiet zone a picture is some 330 pixels wide, enough for a phone's screen."""

_QUIET_MODULES = 4
"""White squares around the code, as the standard asks for."""


class Links:
    """Makes links below one address."""

    def __init__(self, base: str) -> None:
        """*base* is what a code is put behind."""
        self._base = base

    def url(self, code: str) -> str:
        """The link of a code."""
        return f"{self._base}{code}"

    def picture(self, invite: Invite) -> bytes:
        """The link as a PNG. Readable with 15 % of it covered."""
        out = io.BytesIO()
        code = segno.make_qr(self.url(invite.code), error="m")
        code.save(out, kind="png", scale=_MODULE_PIXELS, border=_QUIET_MODULES)
        return out.getvalue()
