"""The PROXY protocol's binary header: read whole, told apart early, bounded."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.runtime.grpc.proxy_header import MOST_BYTES, SIGNATURE, MalformedProxyHeader, ProxyHeader, read_header
from tests.support.proxy_headers import proxied

ADDRESSES = st.ip_addresses()


@given(ADDRESSES, st.integers(1, 65_535), st.binary(max_size=200), st.binary(max_size=40))
def test_the_client_is_who_the_header_says_and_what_follows_is_not_touched(
    client: object, port: int, more: bytes, rest: bytes
) -> None:
    header = proxied(str(client), port, more=more)
    assert read_header(header + rest) == ProxyHeader(len(header), str(client))
    for end in range(len(header)):
        assert read_header(header[:end]) is None


@given(st.binary(max_size=300))
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    for what in (data, SIGNATURE + data, SIGNATURE + b"\x21\x11" + data):
        try:
            found = read_header(what)
        except MalformedProxyHeader:
            continue
        if found is not None:
            assert len(SIGNATURE) < found.size <= min(len(what), 16 + MOST_BYTES)
            assert not found.client or ip_address(found.client)


@pytest.mark.parametrize("head", [b"\x20\x00\x00\x00", b"\x20\x11\x00\x0c" + bytes(12), b"\x21\x00\x00\x03abc"])
def test_a_balancer_may_speak_for_itself(head: bytes) -> None:
    assert read_header(SIGNATURE + head) == ProxyHeader(12 + len(head), "")


@pytest.mark.parametrize(
    "data",
    [
        b"PRI * HTTP/2.0\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"\x16\x03\x01",
        b"x",
        SIGNATURE + b"\x11\x11\x00\x0c",
        SIGNATURE + b"\x22\x11\x00\x0c",
        SIGNATURE + b"\x21\x11\xff\xff",
        SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11),
        SIGNATURE + b"\x21\x21\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x12\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216),
    ],
)
def test_what_is_none_is_refused_as_soon_as_it_shows(data: bytes) -> None:
    with pytest.raises(MalformedProxyHeader):
        read_header(data)
