"""Events a second from the step service's outbox into the notification service: in one lane, and in one for each share.

    python -m tests.bench.lanes [--events N] [--rate R] [--away-ms MS] [--json FILE]

Results of days wait in an outbox; then processes with a relay begin to deliver them to processes of the real
notification service, through its door, into its own database. Each way is measured with so many of both: 1 or 2 relays, 1 or 2
receivers. *--away-ms* is added to every call, as if the receiver and its disk were not on this machine. What is printed is the
time until nothing is left, and the processor of all relays, receivers and of MySQL for each event. With *--rate* the
processes with relays write the events themselves while they deliver, so many a second: what they cost when lanes are not full.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from firewalker.kernel.clock import SystemClock
from firewalker.kernel.ids import new_uuid7
from firewalker.local.secrets import Secrets, make_secrets
from firewalker.local.servers import PrivateServers
from firewalker.notification.app import build
from firewalker.notification.config import NotificationConfig
from firewalker.runtime import logging
from firewalker.runtime.config import load
from firewalker.runtime.garbage import rare_collections
from firewalker.runtime.grpc.channel import InternalChannel
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.runtime.migrations import migrate
from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox import EventSink, Outbox, Relay
from firewalker.runtime.services.event_sink import RemoteSink
from firewalker.step.domain.settling import Result
from firewalker.step.events import OutboxFacts
from tests.bench.serving import terminated
from tests.bench.ten_million.stored import processor_us
from tests.support.databases import fresh_database, run_on

WALKERS = 5_000
PACED_COMMIT = 10
"""Events of one commit, at a given rate."""

TO = "notification"


class Way(NamedTuple):
    """How events are delivered."""

    split: bool
    relays: int
    receivers: int

    def __str__(self) -> str:
        lanes = "a lane for each share" if self.split else "one lane"
        return f"{lanes}, {self.relays} delivering, {self.receivers} receiving"


WAYS = [Way(split, relays, receivers) for split in (False, True) for relays, receivers in ((1, 1), (2, 2))]


class _FarAway:
    """A sink whose receiver is not on this machine."""

    def __init__(self, sink: EventSink, seconds: float) -> None:
        self._sink = sink
        self._seconds = seconds

    async def deliver(self, payloads: Sequence[bytes]) -> None:
        await asyncio.sleep(self._seconds)
        await self._sink.deliver(payloads)


async def receive() -> None:
    """The notification service as it is, with its log off; prints its internal port."""
    logging.configure(level="error", form="json", service=TO)
    app = await build(load(NotificationConfig))
    async with app.resources:
        for server in app.servers:
            await server.start()
            server.health.set(True)
        internal = app.servers[1]
        assert isinstance(internal, GrpcServer)
        async with rare_collections():
            print(internal.port, flush=True)
            await terminated()
        for server in app.servers:
            await server.close()


async def relay(mysql_url: str, addresses: str, token: str, *more: str) -> None:
    """Deliver until terminated, beginning with a line on stdin; at a rate, write as many events meanwhile."""
    split, away_s, events, rate = more
    logging.configure(level="error", form="json", service="step")
    channel, outbox = InternalChannel(addresses, token), Outbox(TO)
    async with Database(mysql_url) as database, rare_collections():
        sink = _FarAway(RemoteSink(channel), float(away_s))
        deliverer = Relay(database, {TO: sink}, outbox, split=[TO] if split == "split" else [])
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await deliverer.start()
        if float(rate):
            await write(database, outbox, int(events), float(rate), PACED_COMMIT)
            print("written", flush=True)
        await terminated()
        await deliverer.stop()
    channel.close()


@contextlib.contextmanager
def process(arguments: Sequence[str], environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """This program in another part, and its first line of output."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.lanes", *arguments], env={**os.environ, **environment},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    try:
        yield child, child.stdout.readline()
    finally:
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=30)


@contextlib.contextmanager
def receivers(count: int, settings: dict[str, object]) -> Iterator[tuple[list[str], list[int]]]:
    """So many processes of the notification service: their internal addresses and process ids."""
    environment = {f"FIREWALKER_NOTIFICATION_{name}": str(value) for name, value in settings.items()}
    with contextlib.ExitStack() as stack:
        addresses, pids = [], []
        for _ in range(count):
            child, port = stack.enter_context(process(["receive"], environment))
            addresses.append(f"127.0.0.1:{int(port)}")
            pids.append(child.pid)
        yield addresses, pids


@contextlib.asynccontextmanager
async def databases(servers: PrivateServers) -> AsyncIterator[tuple[str, str]]:
    """Empty ones of the two services."""
    async with fresh_database(servers) as step, fresh_database(servers) as notification:
        await migrate(step, files("firewalker.step.store") / "schema")
        await migrate(notification, files("firewalker.notification.store") / "schema")
        yield step, notification


async def write(database: Database, outbox: Outbox, events: int, rate: float, commit: int) -> None:
    """Results of days, so many in a commit and so many a second; of one walker and date one."""
    walkers = [new_uuid7().bytes for _ in range(WALKERS)]
    facts, today = OutboxFacts(outbox, SystemClock()), datetime.now(UTC).date()
    began = time.monotonic()
    for written in range(0, events, commit):
        await asyncio.sleep(max(0.0, began + written / rate - time.monotonic()))
        numbers = range(written, written + commit)
        results = [Result(walkers[n % WALKERS], today - timedelta(days=n // WALKERS), 9_000, 3, 20) for n in numbers]
        async with database.transaction() as tx:
            await facts.add_results(tx, results)


async def measure(servers: PrivateServers, secrets: Secrets, way: Way, options: argparse.Namespace) -> dict[str, Any]:
    """Fill an outbox, empty it *way*."""
    async with databases(servers) as (step, notification), contextlib.AsyncExitStack() as stack:
        if not options.rate:
            async with Database(step) as database:
                await write(database, Outbox(TO), options.events, math.inf, 500)
        settings: dict[str, object] = {
            "PORT": 0, "INTERNAL_PORT": 0, "MYSQL_URL": notification, "REDIS_URL": servers.redis_url(),
            "JWKS_FILE": secrets.jwks, "SERVICE_TOKEN_FILE": secrets.service_token(TO),
            "SERVICE_ALLOW_FILE": secrets.allowed_services, "PAGE_KEY_FILE": secrets.page_key, "LOG_FORMAT": "json",
        }  # fmt: skip
        addresses, receiving = stack.enter_context(receivers(way.receivers, settings))
        delivering = []
        for number in range(way.relays):
            # Each calls the receivers in turn, beginning with another.
            turned = addresses[number % len(addresses) :] + addresses[: number % len(addresses)]
            token = secrets.service_token("step").read_text().strip()
            kind = "split" if way.split else "whole"
            part = (str(options.events // way.relays), str(options.rate / way.relays))
            arguments = ["relay", step, ",".join(turned), token, kind, str(options.away_ms / 1000), *part]
            delivering.append(stack.enter_context(process(arguments, {}))[0])
        pids = {"delivering": [child.pid for child in delivering], "receiving": receiving, "mysql": [servers.mysql.pid]}
        before = {name: sum(map(processor_us, of)) for name, of in pids.items()}
        began = time.monotonic()
        for child in delivering:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        if options.rate:
            for child in delivering:
                assert child.stdout is not None
                await asyncio.to_thread(child.stdout.readline)
        while await run_on(step, "SELECT 1 FROM outbox LIMIT 1"):  # noqa: ASYNC110 - it is another process's
            await asyncio.sleep(0.02)
        took = time.monotonic() - began
        used = {name: (sum(map(processor_us, of)) - before[name]) / options.events for name, of in pids.items()}
        ((told,),) = await run_on(notification, "SELECT COUNT(*) FROM event_seen")
        assert told == options.events, told
    return {"way": str(way), "per_second": options.events / took, "cpu_us": used}


async def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder, PrivateServers.start(Path(folder) / "servers") as servers:
        secrets = make_secrets(Path(folder) / "secrets")
        return [await measure(servers, secrets, way, options) for way in WAYS]


def main() -> None:
    """Parse the arguments, measure, print."""
    if sys.argv[1:2] == ["receive"]:
        asyncio.run(receive())
        return
    if sys.argv[1:2] == ["relay"]:
        asyncio.run(relay(*sys.argv[2:]))
        return
    parser = argparse.ArgumentParser(prog="python -m tests.bench.lanes", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=0, help="events written a second; by default all of them before")
    parser.add_argument("--away-ms", type=float, default=0)
    parser.add_argument("--json", default="")
    options = parser.parse_args()
    logging.configure(level="error", form="json", service="bench")
    figures = asyncio.run(run(options))
    pace = f", {options.rate:,.0f} written a second" if options.rate else ""
    table = Table(title=f"{options.events:,} events{pace}, {options.away_ms:g} ms added to a call")
    for name in ("", "events a second", "delivering µs", "receiving µs", "MySQL µs"):
        table.add_column(name, justify="right" if name else "left")
    for figure in figures:
        used = figure["cpu_us"]
        table.add_row(
            figure["way"], f"{figure['per_second']:,.0f}",
            *(f"{used[name]:.0f}" for name in ("delivering", "receiving", "mysql")),
        )  # fmt: skip
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
