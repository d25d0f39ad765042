"""Descriptor sets for the tests: the library service of ``proto/``, and small ones written on the spot."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from subprocess import run
from sys import executable
from tempfile import TemporaryDirectory
from typing import Any

from google.protobuf.message import Message

from transcoder.schema import Schema, message_class

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]


def build(folder: Path, *, source_info: bool = False) -> bytes:
    """The serialised descriptor set of the protos in *folder*, with all imports, made by buf."""
    with TemporaryDirectory() as scratch:
        config = Path(scratch) / "buf.yaml"
        modules = [str(folder.resolve()), str(_ROOT / "proto")]
        root = Path(scratch)
        (root / "own").symlink_to(modules[0])
        (root / "google").mkdir()
        (root / "google" / "google").symlink_to(Path(modules[1]) / "google")
        config.write_text("version: v2\nmodules:\n  - path: own\n  - path: google\n")
        out = root / "set.binpb"
        buf = Path(executable).with_name("buf")
        done = run(  # noqa: S603 - buf of this environment
            [buf, "build", "--as-file-descriptor-set", *([] if source_info else ["--exclude-source-info"]), "-o", out],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return out.read_bytes()


@cache
def library() -> Schema:
    """The schema of ``proto/library.proto``."""
    return Schema.from_bytes(library_bytes())


@cache
def library_bytes() -> bytes:
    """The descriptor set of ``proto/library.proto``."""
    return build(_HERE / "proto")


def made(text: str) -> Schema:
    """The schema of one proto file given as text."""
    with TemporaryDirectory() as scratch:
        (Path(scratch) / "made.proto").write_text(text)
        return Schema.from_bytes(build(Path(scratch)))


def new(kind: str, /, **fields: Any) -> Message:
    """A message of the library, by the short name of its kind."""
    descriptor = library().pool.FindMessageTypeByName(f"library.v1.{kind}")
    return message_class(descriptor)(**fields)
