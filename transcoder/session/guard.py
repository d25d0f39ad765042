"""Who may use the routes below ``/session``: pages of this very origin, and nothing that another page made a browser send."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from transcoder.errors import Code, Problem, Reason

HEADER: Final = b"x-firewalker-session"
"""A header that no form can send, and no page of another origin may: browsers ask first, and are told no."""

_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


def require_own_page(headers: dict[bytes, bytes]) -> None:
    """Return if the request is one of our own page's.

    The cookie is ``SameSite=Strict`` besides; this holds for browsers that know nothing of it, and for sites next door.

    Raises:
        Problem: 403; the header is missing, or the browser says that the page is another origin's.
    """
    origin = headers.get(b"origin")
    if (
        headers.get(HEADER) != b"1"
        or headers.get(b"sec-fetch-site", b"same-origin") != b"same-origin"
        or (origin is not None and not _is_ours(origin, headers.get(b"host", b"")))
    ):
        raise Problem(
            Code.PERMISSION_DENIED,
            Reason.CROSS_ORIGIN,
            "Only pages of this origin may use sessions; they send X-Firewalker-Session: 1.",
        )


def _is_ours(origin: bytes, host: bytes) -> bool:
    """Whether *origin* has the address that the request was sent to. The scheme is a matter of what stands in front."""
    try:
        parts = urlsplit(origin.decode("ascii"))
    except ValueError:
        return False
    default = _DEFAULT_PORTS.get(parts.scheme)
    if default is None:
        return False
    return parts.netloc.removesuffix(default) == host.decode("latin-1").lower().removesuffix(default)
