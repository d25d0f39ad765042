"""The interop protos as message classes and paths, made from `testing.proto` by buf when first asked for."""

from functools import cache
from pathlib import Path
from subprocess import run
from sys import executable
from tempfile import TemporaryDirectory
from typing import Any

from firewalker.runtime.grpc.messages import DescriptorSet

_PROTO = Path(__file__).with_name("testing.proto")

SERVICE = "grpc.testing.TestService"
EMPTY = f"/{SERVICE}/EmptyCall"
UNARY = f"/{SERVICE}/UnaryCall"
STREAM_OUT = f"/{SERVICE}/StreamingOutputCall"
STREAM_IN = f"/{SERVICE}/StreamingInputCall"
DUPLEX = f"/{SERVICE}/FullDuplexCall"
HALF_DUPLEX = f"/{SERVICE}/HalfDuplexCall"
UNIMPLEMENTED_METHOD = f"/{SERVICE}/UnimplementedCall"
UNIMPLEMENTED_SERVICE = "/grpc.testing.UnimplementedService/UnimplementedCall"

ECHO_INITIAL = "x-grpc-test-echo-initial"
"""Metadata that the server sends back with its headers."""
ECHO_TRAILING = "x-grpc-test-echo-trailing-bin"
"""Metadata that the server sends back with its trailers."""


@cache
def descriptors() -> DescriptorSet:
    with TemporaryDirectory() as scratch:
        (Path(scratch) / _PROTO.name).symlink_to(_PROTO)
        (Path(scratch) / "buf.yaml").write_text("version: v2\n")
        done = run(  # noqa: S603 - buf of this environment
            [Path(executable).with_name("buf"), "build", "--as-file-descriptor-set", "-o", "-#format=binpb"],
            cwd=scratch,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode()
        return DescriptorSet.from_bytes(done.stdout)


@cache
def message(name: str) -> Any:
    """The class of a message, such as `SimpleRequest`."""
    return descriptors().message_class(f"grpc.testing.{name}")


def payload(size: int) -> Any:
    """A payload of zeros, which is what the cases send."""
    return message("Payload")(body=bytes(size))
