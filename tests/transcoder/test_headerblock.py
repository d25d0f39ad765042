"""Header blocks that the transcoder writes are what hpack's own decoder reads."""

from __future__ import annotations

import sys
import uuid

import pytest
from hpack import Decoder, HeaderTuple, NeverIndexedHeaderTuple

from transcoder.headerblock import PlainEncoder

FIELDS = [
    (b":method", b"POST"),
    (b":path", b"/library.v1.LibraryService/GetBook"),
    HeaderTuple(b"grpc-timeout", b"9980m"),
    (b"empty", b""),
    NeverIndexedHeaderTuple(b"authorization", b"Bearer abc"),
]


def read(decoder: Decoder, block: bytes) -> list[tuple[bytes, bytes, bool]]:
    return [(*field, field.indexable) for field in decoder.decode(block, raw=True)]


def test_fields_arrive_in_their_order_and_secrets_may_not_be_remembered() -> None:
    encoder, decoder = PlainEncoder(), Decoder()
    for _ in range(3):
        told = read(decoder, encoder.encode(FIELDS))
        assert told == [(name, value, name != b"authorization") for name, value in FIELDS]
    assert decoder.header_table.maxsize > 0
    assert len(decoder.header_table.dynamic_entries) == 0


@pytest.mark.parametrize("kind", [HeaderTuple, NeverIndexedHeaderTuple])
@pytest.mark.parametrize(
    "name",
    [
        *(b"x-forwarded-for", b"x-request-id", b"idempotency-key", b"traceparent", b"authorization"),
        *(b"accept-language", b"grpc-timeout", b"x-of-an-installation"),
    ],
)
def test_no_value_of_a_call_stays_in_memory(name: bytes, kind: type[HeaderTuple]) -> None:
    value = uuid.uuid4().hex.encode()
    held = sys.getrefcount(value)
    PlainEncoder().encode([kind(name, value)])
    assert sys.getrefcount(value) == held


@pytest.mark.parametrize("length", [0, 1, 126, 127, 128, 254, 255, 256, 20_000])
def test_texts_of_every_length_arrive(length: int) -> None:
    fields = [(b"n" * max(1, length), b"v" * length), NeverIndexedHeaderTuple(b"x", b"v" * length)]
    assert [tuple(field) for field in Decoder().decode(PlainEncoder().encode(fields), raw=True)] == [
        tuple(field) for field in fields
    ]


def test_a_smaller_table_is_told_of_once() -> None:
    encoder, decoder = PlainEncoder(), Decoder()
    encoder.header_table_size = 100
    first, second = (encoder.encode([(b"a", b"b")]) for _ in range(2))
    assert first.endswith(second)
    assert len(first) > len(second)
    for block in (first, second):
        assert [tuple(field) for field in decoder.decode(block, raw=True)] == [(b"a", b"b")]
    assert decoder.header_table_size == 100
