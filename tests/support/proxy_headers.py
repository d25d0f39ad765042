"""PROXY protocol headers, version 2, as a balancer writes them."""

from ipaddress import ip_address

from firewalker.runtime.grpc.proxy_header import SIGNATURE

LOCAL = SIGNATURE + b"\x20\x00\x00\x00"
"""The balancer speaks for itself: a health check."""


def proxied(client: str, port: int = 4_711, *, more: bytes = b"") -> bytes:
    """A connection of *client*'s; *more* is whatever else the balancer tells."""
    address = ip_address(client)
    family = b"\x11" if address.version == 4 else b"\x21"
    body = address.packed * 2 + port.to_bytes(2, "big") * 2 + more
    return SIGNATURE + b"\x21" + family + len(body).to_bytes(2, "big") + body
