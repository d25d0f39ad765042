"""The cookie that holds a refresh token: how it is written, found and taken away again."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

NAME: Final = "firewalker_session"
_VALUE: Final = re.compile(rb"[!#-+\--:<-\[\]-~]{1,4096}")
"""What RFC 6265 lets stand in a cookie."""


def token_in(headers: dict[bytes, bytes]) -> str:
    """The refresh token that the browser sent; empty if none."""
    for pair in headers.get(b"cookie", b"").split(b";"):
        name, _, value = pair.strip().partition(b"=")
        if name == NAME.encode() and _VALUE.fullmatch(value):
            return value.decode()
    return ""


def kept(token: str, seconds: int, headers: dict[bytes, bytes]) -> tuple[bytes, bytes]:
    """The header that has the browser keep *token* for so many *seconds*."""
    return _header(token, seconds, headers)


def dropped(headers: dict[bytes, bytes]) -> tuple[bytes, bytes]:
    """The header that has the browser forget its token."""
    return _header("", 0, headers)


def _header(token: str, seconds: int, headers: dict[bytes, bytes]) -> tuple[bytes, bytes]:
    text = f"{NAME}={token}; Max-Age={seconds}; Path=/session; HttpOnly; SameSite=Strict"
    return b"set-cookie", (text if _is_on_this_machine(headers) else text + "; Secure").encode()


def _is_on_this_machine(headers: dict[bytes, bytes]) -> bool:
    """Whether the page came over plain HTTP from a loopback address, where not all browsers take a ``Secure`` cookie.

    Everywhere else the cookie is ``Secure``. Over plain HTTP browsers then do not keep it at all: such a page works
    until it is left or its access token ends, ten minutes at most. Who listens on the way sees the token where it is given,
    as the password before it.
    """
    if headers.get(b"x-forwarded-proto", b"http").strip().lower() != b"http":
        return False
    host = headers.get(b"host", b"").decode("latin-1").lower()
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
