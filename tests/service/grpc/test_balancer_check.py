"""What `deploy/balancers/haproxy.cfg` sends to ask a process whether it serves, byte for byte, and what it looks for in the answer."""

import asyncio
import re
from pathlib import Path

import pytest

from firewalker.runtime.grpc.arrivals import LOOPBACK
from firewalker.runtime.grpc.server import GrpcServer
from tests.service.grpc.conftest import Bench
from tests.service.grpc.doors import StepDoor
from tests.support.proxy_headers import LOCAL

FILE = Path(__file__).resolve().parents[3] / "deploy" / "balancers" / "haproxy.cfg"
TEXT = FILE.read_text()


async def told(server: GrpcServer, first: bytes) -> str:
    """The answer in hexadecimal, as soon as it is either of the two."""
    question = first + b"".join(bytes.fromhex(sent) for sent in re.findall(r"tcp-check send-binary (\w+)", TEXT))
    (either,) = re.findall(r"answer rbinary (\S+)", TEXT)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(question)
    heard = b""
    async with asyncio.timeout(20):
        while not re.search(either, heard.hex()):
            more = await reader.read(4_096)
            assert more, heard
            heard += more
    writer.close()
    return heard.hex()


@pytest.mark.requirement("NET-40")
@pytest.mark.parametrize("first", [b"", LOCAL], ids=["plain", "PROXY"])
async def test_haproxy_hears_whether_a_process_serves(bench: Bench, first: bytes) -> None:
    balancers = LOOPBACK if first else ()
    server = await bench.serve(StepDoor(), proxies=balancers, uncounted=balancers)
    (serving,) = re.findall(r"serving min-recv 1 binary (\w+)", TEXT)
    assert serving in await told(server, first)
    server.health.set(False)
    assert serving not in await told(server, first)
