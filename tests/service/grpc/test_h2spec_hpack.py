"""h2spec's cases of HPACK (RFC 7541): a block that cannot be decoded ends the connection, whose table is lost."""

import pytest

from tests.service.grpc.conftest import Bench
from tests.service.grpc.doors import RECORD, StepDoor
from tests.service.grpc.h2spec import COMPRESSION, END_HEADERS, END_STREAM, HEADERS, PROTOCOL, Broken, Case, play, table
from tests.service.grpc.raw import frame, grpc_headers

NAME = b"\x00\x85\xf2\xb2\x4a\x84\xff"
"""A new name, "x-test", in Huffman's code."""
WHY = "COMPRESSION_ERROR asked for; h2 names every undecodable block PROTOCOL_ERROR and ends the connection likewise"


def spoilt(section: str, title: str, field: bytes) -> Case:
    """A header block that is well formed but for its last field."""
    return Case(
        section,
        title,
        lambda p: frame(HEADERS, END_HEADERS | END_STREAM, 1, p.block(grpc_headers(RECORD)) + field),
        Broken((COMPRESSION, PROTOCOL)),
        WHY,
    )


CASES = [
    spoilt("hpack 2.3.3", "an index that is not in the tables", b"\xff\x07"),
    spoilt("hpack 4.2", "a table size update at the end", b"\x21"),
    spoilt("hpack 5.2", "padding longer than 7 bits", NAME + b"\x84\x49\x50\x9f\xff"),
    spoilt("hpack 5.2", "padding with zeros", NAME + b"\x83\x49\x50\x90"),
    spoilt("hpack 5.2", "the end-of-string symbol", b"\x00\x85\xf2\xb2\x4a\x87\xff\xff\xff\xfd\x25\x42\x7f"),
    spoilt("hpack 6.1", "index 0", b"\x80"),
    Case(
        "hpack 6.3",
        "a table larger than allowed",
        lambda p: frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x3f\xe2\x1f" + p.block(grpc_headers(RECORD))),
        Broken((COMPRESSION, PROTOCOL)),
        WHY,
    ),
]


@pytest.mark.requirement("NET-12")
@table(*CASES)
async def test_header_blocks(bench: Bench, case: Case) -> None:
    await play(case, (await bench.serve(StepDoor())).port)
