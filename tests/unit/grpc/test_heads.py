"""Request headers: what breaks HTTP/2, what is no gRPC, and what is read from the rest."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.runtime.grpc.heads import MalformedHead, NotGrpc, RequestHead, read_timeout

Pairs = list[tuple[bytes, bytes]]

GOOD: Pairs = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/a.B/C"),
    (b":authority", b"host"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
]


def without(name: bytes) -> Pairs:
    return [pair for pair in GOOD if pair[0] != name]


def test_a_good_head_is_read() -> None:
    head = RequestHead.read(
        [*GOOD, (b"grpc-timeout", b"5S"), (b"authorization", b"Bearer x"), (b"x-request-id", b"abc-1")]
    )
    assert (head.path, head.timeout, head.authorization, head.request_id) == (b"/a.B/C", b"5S", b"Bearer x", "abc-1")


@pytest.mark.requirement("NET-03")
@pytest.mark.parametrize(
    "headers",
    [
        without(b":path"),
        without(b":method"),
        without(b":scheme"),
        [(n, b"" if n == b":path" else v) for n, v in GOOD],
        [*GOOD, (b":path", b"/late")],
        [GOOD[0], *GOOD],
        [(b":status", b"200"), *GOOD],
        [*GOOD, (b"X-Upper", b"1")],
        [*GOOD, (b"", b"1")],
        [*GOOD, (b"bad name", b"1")],
        [*GOOD, (b"connection", b"close")],
        [*GOOD, (b"transfer-encoding", b"chunked")],
        [*GOOD, (b"x", b"a\r\nb: c")],
        [*GOOD, (b"x", b"a\0b")],
        [*GOOD, (b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")],
        [*GOOD, (b"grpc-timeout", b"1S"), (b"grpc-timeout", b"2S")],
    ],
)
def test_what_breaks_http2_is_malformed(headers: Pairs) -> None:
    with pytest.raises(MalformedHead):
        RequestHead.read(headers)


@pytest.mark.requirement("NET-03")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(n, b"GET" if n == b":method" else v) for n, v in GOOD], 405),
        (without(b"content-type"), 415),
        ([(n, b"application/json" if n == b"content-type" else v) for n, v in GOOD], 415),
        ([(n, b"application/grpc+json" if n == b"content-type" else v) for n, v in GOOD], 415),
        ([(n, b"application/grpcx" if n == b"content-type" else v) for n, v in GOOD], 415),
        (without(b"te"), 400),
    ],
)
def test_what_is_no_grpc_gets_an_http_status(headers: Pairs, status: int) -> None:
    with pytest.raises(NotGrpc) as refused:
        RequestHead.read(headers)
    assert refused.value.http_status == status


@pytest.mark.parametrize(
    "content_type", [b"application/grpc+proto", b"application/grpc;x=1", b"application/grpc+proto;x"]
)
def test_content_types_of_grpc_with_proto_are_taken(content_type: bytes) -> None:
    RequestHead.read([*without(b"content-type"), (b"content-type", content_type)])


@pytest.mark.parametrize("value", [b"", b"a b", b"x" * 65, b"\xff", b"<script>", b"a\nb"[:1] + b"/"])
def test_an_insane_request_id_is_not_taken(value: bytes) -> None:
    assert RequestHead.read([*GOOD, (b"x-request-id", value)]).request_id == ""


@given(st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=12)), max_size=12))
def test_any_header_list_is_read_or_refused(headers: Pairs) -> None:
    for start in ([], GOOD):
        with contextlib.suppress(MalformedHead, NotGrpc):
            RequestHead.read([*start, *headers])


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"1H", 3600), (b"2M", 120), (b"3S", 3), (b"250m", 0.25), (b"0n", 0), (b"99999999u", 99.999999)],
)
def test_timeouts_are_read(value: bytes, seconds: float) -> None:
    assert read_timeout(value) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value", [b"", b"1", b"S", b"123456789S", b"-1S", b"1.5S", b"1s", b"1S ", b"\xb2S", b"1" * 400 + b"S"]
)
def test_other_timeouts_are_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="grpc-timeout"):
        read_timeout(value)
