"""JSON engines for the transcoder: its own compiled plans, protobuf's json_format, and protobuf-py (Rust).

    python -m tests.bench.json_engines [--json FILE]

Each reads JSON text into bytes of protobuf and writes bytes of protobuf as JSON text, which is the transcoder's work. Then
the table of cases of `tests/transcoder/test_json.py`: how many verdicts of each engine are the ones wanted.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from protobuf.wkt import FileDescriptorSet
from rich.console import Console
from rich.table import Table

from tests.transcoder.descriptors import library, library_bytes, new
from tests.transcoder.test_json import BAD, GOOD
from transcoder import jsontext
from transcoder.jsonreader import JsonReader, serialise
from transcoder.jsonwriter import JsonWriter

SMALL = {"title": "Emma", "pages": 474, "sold": "7", "lent": True, "color": "RED", "tags": ["a", "b"]}
LARGE = {**SMALL, "readers": [{"name": f"reader {number}", "homeTown": "Seoul"} for number in range(100)]}

_BOOK = library().pool.FindMessageTypeByName("library.v1.Book")
_FILL = JsonReader(library()).message(_BOOK)
_WRITE = JsonWriter(library()).message(_BOOK)
_UPB: Any = type(new("Book"))
_REGISTRY: Any = FileDescriptorSet.from_binary(library_bytes()).to_registry()
_RUST: Any = _REGISTRY.message("library.v1.Book").type


def plans_read(text: bytes) -> bytes:
    message = _UPB()
    _FILL(message, jsontext.loads(text, 64))
    return serialise(message)


def plans_write(data: bytes) -> bytes:
    return jsontext.dumps(_WRITE(_UPB.FromString(data)))


def reference_read(text: bytes) -> bytes:
    return bytes(json_format.Parse(text, _UPB(), descriptor_pool=library().pool).SerializeToString())


def reference_write(data: bytes) -> bytes:
    message = _UPB.FromString(data)
    return json_format.MessageToJson(message, always_print_fields_with_no_presence=True, indent=None).encode()


def rust_read(text: bytes) -> bytes:
    return bytes(_RUST.from_json(text, registry=_REGISTRY).to_binary())


def rust_write(data: bytes) -> bytes:
    return str(_RUST.from_binary(data).to_json(always_emit_implicit=True, registry=_REGISTRY)).encode()


ENGINES: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "own plans over upb": (plans_read, plans_write),
    "json_format": (reference_read, reference_write),
    "protobuf-py": (rust_read, rust_write),
}


def micros(work: Callable[[bytes], bytes], data: bytes) -> float:
    """The best of five rounds."""
    best = float("inf")
    for _ in range(5):
        started, count = time.perf_counter(), 0
        while time.perf_counter() - started < 0.15:
            work(data)
            count += 1
        best = min(best, (time.perf_counter() - started) / count * 1e6)
    return best


def verdicts(read: Callable[[bytes], bytes]) -> tuple[int, int]:
    """How many good values are read, and how many bad ones are refused."""

    def takes(value: Any) -> bool:
        try:
            read(json.dumps(value).encode("utf-8", "surrogatepass"))
        except Exception:  # noqa: BLE001 - every engine has its own
            return False
        return True

    return sum(takes(value) for value in GOOD), sum(not takes(value) for value, _ in BAD)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.json_engines")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures: dict[str, Any] = {}
    table = Table("engine", "read small", "write small", "read 100", "write 100", "good read", "bad refused")
    for name, (read, write) in ENGINES.items():
        times = []
        for value in (SMALL, LARGE):
            text = json.dumps(value).encode()
            times += [micros(read, text), micros(write, plans_read(text))]
        good, bad = verdicts(read)
        figures[name] = {"us": times, "good": good, "bad": bad}
        table.add_row(name, *(f"{each:.0f} µs" for each in times), f"{good} of {len(GOOD)}", f"{bad} of {len(BAD)}")
    Console(width=120).print(table)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
