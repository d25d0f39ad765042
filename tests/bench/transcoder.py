"""What the transcoder costs: processor time of a request, and memory and processor time of a listener.

    python -m tests.bench.transcoder [--requests 4000] [--listeners 1000] [--seconds 10] [--servers granian,hypercorn]
        [--json FILE]

The service behind it and the load are processes of their own. Every listener of the last part gets one message a
second, the most that a live board sends. With `--servers` the same application runs under other ASGI servers too, where
they are installed (`uv pip install granian hypercorn`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.support.load import keep_busy
from tests.support.transcoding import Running, library_process, transcoder_process

BOOK = b'{"title":"Emma","pages":474,"sold":"7","lent":true,"color":"RED","tags":["a","b"]}'
CASES = {"GET": ("/v1/books/a", b""), "POST": ("/v1/books", BOOK)}


@asynccontextmanager
async def served(server: str, folder: Path, backend: Running) -> AsyncIterator[Running]:
    """The transcoder under an ASGI server; ``uvicorn`` is the one it has, limits and all."""
    if server == "uvicorn":
        async with transcoder_process(folder, backend) as running:
            yield running
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ("-m", "tests.bench.asgi_servers", server, str(port))
    async with transcoder_process(folder, backend, command=command) as running:
        for _ in range(400):
            try:
                await asyncio.open_connection("127.0.0.1", port)
                break
            except OSError:
                await asyncio.sleep(0.05)
        yield running


async def request_cost(server: Running, target: str, body: bytes, requests: int) -> dict[str, float]:
    """Processor time and rate of requests, eight at once."""
    await keep_busy(server.port, target, body, requests=requests // 4)
    cpu_s, started = server.cpu_s(), time.perf_counter()
    await keep_busy(server.port, target, body, requests=requests)
    return {
        "cpu_us": (server.cpu_s() - cpu_s) / requests * 1e6,
        "per_second": requests / (time.perf_counter() - started),
    }


async def listener_cost(server: Running, listeners: int, seconds: int) -> dict[str, float]:
    """Memory of a listener, and processor time of a message to one, while all of them get one a second."""
    received = 0
    opened = asyncio.Event()

    async def listen(count: int) -> None:
        nonlocal received
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        query = f"count={count}&every_ms=1000&hang=true&padding=200"
        writer.write(f"GET /v1/ticks:watch?{query} HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n".encode())
        try:
            while line := await reader.readline():
                if line.startswith(b"data:"):
                    received += 1
                    if received == listeners:
                        opened.set()
        finally:
            writer.close()

    before = server.resident_bytes()
    tasks = [asyncio.create_task(listen(10_000)) for _ in range(listeners)]
    await asyncio.wait_for(opened.wait(), 120)
    held = server.resident_bytes() - before
    cpu_s, seen, started = server.cpu_s(), received, time.perf_counter()
    await asyncio.sleep(seconds)
    messages, took_s = received - seen, time.perf_counter() - started
    cpu_s = server.cpu_s() - cpu_s
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return {
        "listeners": listeners,
        "kib": held / listeners / 1024,
        "cpu_us": cpu_s / messages * 1e6,
        "messages_per_second": messages / took_s,
        "core_percent": cpu_s / took_s * 100,
    }


async def measure(servers: list[str], requests: int, listeners: int, seconds: int) -> dict[str, Any]:
    """The figures of each server."""
    figures: dict[str, Any] = {}
    for server in servers:
        with tempfile.TemporaryDirectory() as folder:
            async with library_process() as backend, served(server, Path(folder), backend) as running:
                figures[server] = {
                    name: await request_cost(running, target, body, requests) for name, (target, body) in CASES.items()
                }
                figures[server]["listeners"] = await listener_cost(running, listeners, seconds)
    return figures


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.transcoder")
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--listeners", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--servers", default="")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    servers = ["uvicorn", *filter(None, arguments.servers.split(","))]
    figures = asyncio.run(measure(servers, arguments.requests, arguments.listeners, arguments.seconds))
    table = Table(title="The transcoder")
    for heading in (
        "server",
        "GET µs",
        "POST µs",
        "GET a second",
        "KiB a listener",
        "µs a message",
        "messages a second",
    ):
        table.add_column(heading, justify="left" if heading == "server" else "right")
    for server, found in figures.items():
        of = found["listeners"]
        table.add_row(
            server,
            *(f"{found[name]['cpu_us']:.0f}" for name in CASES),
            *(f"{found['GET']['per_second']:,.0f}", f"{of['kib']:.1f}", f"{of['cpu_us']:.0f}"),
            f"{of['messages_per_second']:,.0f} of {of['listeners']}",
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
