"""What `firewalker doctor` makes of what the transcoder says; the rest is tried on the running backend (tests/system)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from firewalker.cli.addresses import Address
from firewalker.cli.doctor import Finding, _transcoder

WELL = {"firewalker.user.v1": "SERVING", "firewalker.step.v1": "SERVING"}


async def found(status: int, report: Any) -> Finding:
    """What is found where a transcoder answers so."""
    body = json.dumps(report).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 %d It\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (status, len(body), body))
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        return await _transcoder(Address("127.0.0.1", server.sockets[0].getsockname()[1]))


async def test_a_transcoder_before_services_that_serve_is_well() -> None:
    assert (await found(200, {"status": "SERVING", "backends": WELL})).good


async def test_services_that_do_not_serve_are_named() -> None:
    backends = {**WELL, "firewalker.step.v1": "NOT_SERVING"}
    finding = await found(200, {"status": "DEGRADED", "backends": backends})
    assert not finding.good
    assert finding.facts.endswith(" is DEGRADED: firewalker.step.v1 NOT_SERVING")
    finding = await found(503, {"status": "NOT_SERVING", "backends": {**backends, "firewalker.user.v1": "UNREACHABLE"}})
    assert not finding.good
    assert finding.facts.endswith(" is NOT_SERVING: firewalker.user.v1 UNREACHABLE, firewalker.step.v1 NOT_SERVING")


async def test_a_transcoder_that_drains_is_not_well() -> None:
    assert not (await found(503, {"status": "DRAINING", "backends": WELL})).good


@pytest.mark.parametrize("report", [{}, [], "SERVING", {"status": "SERVING", "backends": 1}])
async def test_what_answers_otherwise_is_no_transcoder(report: Any) -> None:
    finding = await found(200, report)
    assert not finding.good
    assert finding.facts.endswith("does not answer as it should")
