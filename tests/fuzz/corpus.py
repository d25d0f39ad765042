"""The inputs that fuzzing starts from, and that the unit tests replay: files of `corpus/<target>/`.

    python -m tests.fuzz.corpus        writes the seeds anew; what a fuzzer has found is left as it is

A file called `found-…` is an input that once failed. Keep them few and small.
"""

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from hpack import Encoder

from firewalker.runtime.grpc.proxy_header import SIGNATURE
from firewalker.runtime.tokens import ALGORITHM, TYPE
from tests.fuzz import connections, requests, tokens
from tests.service.grpc.doors import RECORD, TRACK, RecordStepsRequest, TrackStepsRequest
from tests.service.grpc.raw import frame, framed, grpc_headers
from tests.support.clock import NOON
from tests.support.proxy_headers import LOCAL, proxied

FOLDER = Path(__file__).with_name("corpus")

TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "connections": connections.run,
    "requests": requests.run,
    "tokens": tokens.run,
}
"""What can be fuzzed, by name."""

_READING = {"device_id": "watch", "date": "2026-05-20", "hour": 11, "steps": 812}


def inputs(target: str) -> Iterator[tuple[str, bytes]]:
    """The corpus of a target: names and bytes, in the order of names."""
    for path in sorted((FOLDER / target).iterdir()):
        yield path.name, path.read_bytes()


def _script(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return bytes((kind, flags, stream, len(body))) + body


def _connection_seeds() -> Iterator[tuple[str, bytes]]:
    call = Encoder().encode(grpc_headers(RECORD))
    track = Encoder().encode(grpc_headers(TRACK, ("grpc-encoding", "gzip"), ("grpc-timeout", "1S")))
    message = framed(RecordStepsRequest(readings=[_READING]).SerializeToString())
    zipped = framed(gzip.compress(b"", mtime=0), flag=1)
    whole = _script(1, 4, 1, call) + _script(0, 1, 1, message)
    for mode in (0, 1, 4, 5):
        yield f"call-{mode}", bytes((mode,)) + whole
    yield "stream", b"\1" + _script(1, 4, 1, track) + _script(0, 0, 1, framed(b"")) + _script(0, 1, 1, zipped)
    yield "reset", b"\1" + _script(1, 4, 1, track) + _script(3, 0, 1, bytes(4)) + whole.replace(b"\1\4\1", b"\1\4\3")
    yield "continued", b"\0" + _script(1, 0, 1, call[:9]) + _script(9, 4, 1, call[9:]) + _script(0, 1, 1, message)
    yield "trailers", b"\1" + _script(1, 4, 1, call) + _script(0, 0, 1, message) + _script(1, 5, 1, b"\0\1x\1y")
    control = _script(4, 0, 0, b"\0\4\0\0\0\1") + _script(6, 0, 0, bytes(8)) + _script(8, 0, 0, b"\0\0\0\1")
    yield (
        "control",
        b"\1" + control + _script(2, 0, 1, bytes(5)) + _script(11, 0, 0, b"new") + _script(7, 0, 0, bytes(8)),
    )
    header = proxied("198.51.100.7", more=b"\4\0\1x")[len(SIGNATURE) :]
    rest = connections.PREFACE + frame(4, 0, 0, b"") + frame(1, 4, 1, call) + frame(0, 1, 1, message)
    for mode in (8, 9, 12):
        yield f"proxied-{mode}", bytes((mode,)) + header + rest
    yield "proxied-local", b"\x09" + LOCAL[len(SIGNATURE) :] + rest
    yield "raw", b"\3" + frame(4, 0, 0, b"") + frame(1, 4, 1, call) + frame(0, 1, 1, message)
    yield "raw-plain", b"\2" + frame(4, 0, 0, b"") + frame(1, 4, 1, call) + frame(0, 9, 1, b"\2" + message + bytes(2))


def _request_seeds() -> Iterator[tuple[str, bytes]]:
    readings = RecordStepsRequest(readings=[_READING, {"hour": 24}]).SerializeToString()
    tracked = TrackStepsRequest(message_id="m", readings=[_READING]).SerializeToString()
    for number in range(12):
        yield f"method-{number:02}", bytes((number,)) + readings
    yield "tracked", b"\5" + tracked
    yield "zipped", b"\x84" + gzip.compress(readings, mtime=0)
    yield "members", b"\x84" + gzip.compress(readings, mtime=0) * 3
    yield "deep", b"\4" + b"\x0a\x7e" * 60


def _token_seeds() -> Iterator[tuple[str, bytes]]:
    claims = {
        "iss": "firewalker",
        "aud": "firewalker",
        "sub": "0198a000-0000-7000-8000-000000000001",
        "sid": "0198a000-0000-7000-8000-000000000002",
        "jti": "a",
        "iat": int(NOON.timestamp()),
        "exp": int(NOON.timestamp()) + 600,
    }
    header = json.dumps({"typ": TYPE, "alg": ALGORITHM, "kid": "key-1"}).encode()
    good = json.dumps(claims).encode()
    yield "good", b"\1" + good
    yield "own-header", b"\3" + header + b"\0" + good
    yield "unsigned", b"\0" + tokens.signed(header, good).rpartition(".")[0].encode() + b"." + b"A" * 86
    yield "no-dots", b"\0abc"
    yield "none", b"\3" + header.replace(b"EdDSA", b"none") + b"\0" + good
    odd = (("exp", 10**400), ("iat", -(10**400)), ("aud", ["firewalker"]), ("sub", 7), ("exp", 1.5), ("exp", True))
    for number, (name, value) in enumerate(odd):
        yield f"claim-{number}", b"\1" + json.dumps({**claims, name: value}).encode()
    far = {"iat": -(10**400), "exp": 600 - 10**400}
    yield "found-far-past", b"\1" + json.dumps({**claims, **far}).encode()


def main() -> None:
    """Write the seeds."""
    seeds = {"connections": _connection_seeds, "requests": _request_seeds, "tokens": _token_seeds}
    for target, give in seeds.items():
        folder = FOLDER / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in give():
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
