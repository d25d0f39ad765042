"""The process itself: start, refusal to start, logs, metrics, and the drain on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
import pytest

from tests.support.waiting import until
from tests.transcoder.conftest import answered
from tests.transcoder.library_server import Library
from transcoder.config import PREFIX

pytestmark = pytest.mark.alone

_ROOT = Path(__file__).parents[2]


def environment(descriptor_file: Path, port: int, **changes: str) -> dict[str, str]:
    known = {
        "PORT": "0",
        "METRICS_PORT": "0",
        "DESCRIPTOR_SET": str(descriptor_file),
        "BACKENDS": f"library.v1=127.0.0.1:{port}",
    }
    return {**os.environ, **{PREFIX + name: value for name, value in {**known, **changes}.items()}}


class Process:
    """A running transcoder and what it has logged."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []
        assert process.stderr is not None
        self.reading = asyncio.create_task(self._read(process.stderr))

    async def _read(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            self.events.append(json.loads(line))

    def event(self, name: str) -> dict[str, Any]:
        return next(event for event in self.events if event["event"] == name)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.event('listening')['port']}"


def value_of(metric: str, metrics: str) -> str:
    (line,) = (line for line in metrics.splitlines() if line.startswith(f"{metric} "))
    return line.split()[1]


@asynccontextmanager
async def running(env: dict[str, str]) -> AsyncIterator[Process]:
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "transcoder", env=env, cwd=_ROOT, stderr=asyncio.subprocess.PIPE
    )
    process = Process(started)
    try:
        await until(lambda: any(event["event"] == "listening" for event in process.events), within_s=60)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            started.kill()
        await started.wait()
        await process.reading


@pytest.mark.requirement("NET-41", "PRIV-03")
async def test_it_serves_logs_counts_and_drains(backend: Library, descriptor_file: Path) -> None:
    async with running(environment(descriptor_file, backend.port)) as process, httpx.AsyncClient() as client:
        secret = {"authorization": "Bearer very-secret", "x-request-id": "id-7"}
        response = await client.get(f"{process.url}/v1/books/b1?like.title=private", headers=secret)
        assert response.json()["title"] == "like private"
        await until(lambda: any(event["event"] == "request" for event in process.events))
        line = process.event("request")
        assert (line["request_id"], line["route"], line["status"]) == ("id-7", "/v1/books/{name}", 200)
        assert line["rpc"] == "library.v1.LibraryService.GetBook"
        assert not {"very-secret", "private", "b1"} & set(json.dumps(process.events).replace('"', " ").split())
        port = process.event("listening")["metrics_port"]
        metrics = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        assert 'transcoder_requests_total{rpc="library.v1.LibraryService.GetBook",status="200"} 1.0' in metrics
        assert float(value_of("transcoder_event_loop_longest_turn_seconds", metrics)) > 0
        slow = asyncio.create_task(client.get(f"{process.url}/v1/slow?wait_ms=700&key=k"))
        watch = asyncio.create_task(
            client.get(f"{process.url}/v1/ticks:watch?count=1&hang=true", headers={"accept": "text/event-stream"})
        )
        await until(lambda: backend.running == 2)
        process.process.send_signal(signal.SIGTERM)
        assert "SERVER_DRAINING" in (await watch).text
        assert (await slow).json()["key"] == "k"
        assert await asyncio.wait_for(process.process.wait(), 60) == 0


async def test_readyz_turns_503_before_the_port_closes(backend: Library, descriptor_file: Path) -> None:
    env = environment(descriptor_file, backend.port, DRAIN_DELAY_S="30")
    async with running(env) as process, httpx.AsyncClient() as client:
        assert (await client.get(f"{process.url}/readyz")).status_code == 200
        process.process.send_signal(signal.SIGTERM)
        await answered(client, f"{process.url}/readyz", 503)
        assert (await client.get(f"{process.url}/v1/titles")).status_code == 200
        process.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.process.wait(), 60) == 0


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def test_endless_pipelining_takes_neither_memory_nor_other_clients_time(
    backend: Library, descriptor_file: Path
) -> None:
    async def attack(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        with contextlib.suppress(OSError):
            while True:
                writer.write(b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n" * 200)
                await writer.drain()

    async with running(environment(descriptor_file, backend.port)) as process, httpx.AsyncClient() as client:
        port = int(process.event("listening")["port"])
        await answered(client, f"{process.url}/healthz", 200)
        before = resident_mb(process.process.pid)
        attackers = [asyncio.create_task(attack(port)) for _ in range(20)]
        taken = []
        for _ in range(20):
            await asyncio.sleep(0.1)
            started = perf_counter()
            assert (await client.get(f"{process.url}/healthz")).status_code == 200
            taken.append(perf_counter() - started)
        after = resident_mb(process.process.pid)
        for attacker in attackers:
            attacker.cancel()
        await asyncio.wait(attackers)
        assert sorted(taken)[-2] < 0.2, taken
        assert after - before < 60


async def run(*arguments: str, env: dict[str, str]) -> tuple[int, str, str]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "transcoder", *arguments, env=env, cwd=_ROOT, stdout=pipe, stderr=pipe
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_check_config_prints_the_configuration_and_the_routes(descriptor_file: Path) -> None:
    code, out, _ = await run("check-config", env=environment(descriptor_file, 1))
    assert code == 0
    assert f"{PREFIX}MAX_DEPTH=64" in out
    assert "POST /v1/books -> library.v1.LibraryService.CreateBook" in out


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"PROT": "1"}, f"{PREFIX}PROT: no such setting"),
        ({"BACKENDS": "other=127.0.0.1:1"}, "library.v1.LibraryService has HTTP rules, but no backend"),
        ({"DESCRIPTOR_SET": "/nowhere.binpb"}, "cannot read the descriptor set /nowhere.binpb"),
        ({"DESCRIPTOR_SET": __file__}, "not a FileDescriptorSet"),
        ({"HOST": "192.0.2.1"}, f"{PREFIX}PORT: 192.0.2.1:0 cannot be listened on"),
    ],
)
async def test_it_refuses_to_start_with_one_clear_line(
    descriptor_file: Path, changes: dict[str, str], named: str
) -> None:
    code, _, err = await run(env=environment(descriptor_file, 1, **changes))
    assert code == 2
    assert named in err
    assert "Traceback" not in err
