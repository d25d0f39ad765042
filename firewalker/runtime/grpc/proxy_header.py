"""The PROXY protocol, version 2: what a balancer writes in front of a connection to tell whose it is. Pure.

haproxy's specification (proxy-protocol.txt, 2.2). Version 1, which is text, is not taken. Who may send one, and how long it
may take, is `entrance.py`'s.
"""

from dataclasses import dataclass
from ipaddress import ip_address

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"

MOST_BYTES = 1_024
"""Longest header taken, without its first 16 bytes: addresses are 36, balancers add some dozens of their own."""

_HEAD_BYTES = 16
_VERSION = 2
_LOCAL = 0
_PROXY = 1
_ADDRESSES = {0x11: (4, 12), 0x21: (16, 36)}
"""By family and transport (TCP over IPv4 and IPv6): bytes of one address, and of both with their ports."""
_UNSPECIFIED = 0x00


class MalformedProxyHeader(Exception):
    """What came is no such header."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A whole one."""

    size: int
    """Its bytes; what follows is the client's."""
    client: str
    """The client's address; empty where the connection is the balancer's own (a health check) or it does not say."""


def read_header(data: bytes) -> ProxyHeader | None:
    """The header that *data* begins with; None while it is not whole.

    Raises:
        MalformedProxyHeader: As early as that can be told.
    """
    if not SIGNATURE.startswith(data[: len(SIGNATURE)]):
        raise MalformedProxyHeader("no signature")
    if len(data) < _HEAD_BYTES:
        return None
    version, command, family = data[12] >> 4, data[12] & 0xF, data[13]
    length = int.from_bytes(data[14:16], "big")
    if version != _VERSION or command not in (_LOCAL, _PROXY) or length > MOST_BYTES:
        raise MalformedProxyHeader(f"version {version}, command {command}, {length} bytes")
    size = _HEAD_BYTES + length
    if len(data) < size:
        return None
    if command == _LOCAL or family == _UNSPECIFIED:
        return ProxyHeader(size, "")
    one, both = _ADDRESSES.get(family, (0, 0))
    if not one or length < both:
        raise MalformedProxyHeader(f"family {family:#x} in {length} bytes")
    return ProxyHeader(size, str(ip_address(data[_HEAD_BYTES : _HEAD_BYTES + one])))
