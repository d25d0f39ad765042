"""TrackSteps: server CPU per durable reading, throughput and latency, beside a bare grpc.aio echo in the same run.

    python -m tests.bench.track_steps [--seconds 4] [--runs 3] [--streams 64] [--json FILE]

The step service runs as its own process on core 0, the load on the others; MySQL and Redis are private ones with durable
commits (or those named by FIREWALKER_TEST_MYSQL_URL and FIREWALKER_TEST_REDIS_URL). Every reading changes its row, every
answer is checked, and at the end the table is read back: no count may be below what was acknowledged.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import grpc.aio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from firewalker.kernel.ids import new_uuid7
from firewalker.local.secrets import Secrets, make_secrets
from firewalker.local.servers import PrivateServers
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.migrations import migrate
from tests.support.databases import GivenServers, Servers, fresh_database, run_on
from tests.support.signing import Signer

METHOD = "/firewalker.step.v1.StepService/TrackSteps"
SIZES = (1, 10, 100)
TARGET_US = {1: 60, 10: 12, 100: 6}
"""Server CPU that a reading may take, by readings a message."""

PACED_RATE, PACED_SIZE = 5_000, 5
"""Readings a second, and a message, at which the time to the answer is measured."""

UNDER_WAY = 8
"""Messages of one stream that wait for their answer."""

_TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")
_ACCEPTED = 1

TrackStepsRequest = message_class("firewalker.step.v1.TrackStepsRequest")
TrackStepsResponse = message_class("firewalker.step.v1.TrackStepsResponse")


@dataclass
class Walker:
    """One stream: a user whose counts rise by one with every message."""

    user: UUID = field(default_factory=new_uuid7)
    sent: int = 0
    acknowledged: int = 0
    latencies_ms: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Figure:
    """One measurement."""

    readings: int
    seconds: float
    cpu_us: float
    latencies_ms: list[float]

    @property
    def per_reading_us(self) -> float:
        return self.cpu_us / self.readings

    @property
    def per_second(self) -> float:
        return self.readings / self.seconds


def slots(size: int) -> list[tuple[date, int]]:
    """The dates and hours that a message of *size* readings names: one date for up to 24, as phones do."""
    today = datetime.now(UTC).date()
    return [(today - timedelta(days=n // 24), n % 24) for n in range(size)]


def request(size: int, steps: int) -> bytes:
    readings = [
        {"device_id": "8a2b1c9e-bench-phone", "date": str(day), "hour": hour, "steps": steps}
        for day, hour in slots(size)
    ]
    made: bytes = TrackStepsRequest(message_id=str(steps), readings=readings).SerializeToString()
    return made


def cpu_us(pid: int) -> float:
    """User and system time of a process so far, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_US


async def walk(
    channel: grpc.aio.Channel, walker: Walker, metadata: Any, *, size: int, until: float, every_s: float
) -> None:
    """Keep messages under way until the time is up, or send one every so often; check every answer."""
    call = channel.stream_stream(METHOD)(metadata=metadata)
    room = asyncio.Semaphore(UNDER_WAY)
    begun: dict[int, float] = {}

    async def send() -> None:
        due = time.monotonic() + random.uniform(0, every_s)
        while time.monotonic() < until:
            await room.acquire()
            if every_s:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                due += every_s
            walker.sent += 1
            begun[walker.sent] = time.monotonic()
            await call.write(request(size, walker.sent))
        await call.done_writing()

    sending = asyncio.create_task(send())
    async for data in call:
        answer = TrackStepsResponse.FromString(data)
        number = int(answer.message_id)
        assert number == walker.acknowledged + 1, "answers come in order"
        assert [result.verdict for result in answer.results] == [_ACCEPTED] * size, answer
        walker.acknowledged = number
        walker.latencies_ms.append((time.monotonic() - begun.pop(number)) * 1000)
        room.release()
    await sending
    assert walker.acknowledged == walker.sent


async def measure(
    server: tuple[str, int], secrets: Secrets, *, size: int, streams: int, seconds: float, rate: float = 0
) -> tuple[Figure, list[Walker]]:
    """Load *server*, an address and a process id, for some seconds: with *rate* readings a second, or all it takes."""
    target, pid = server
    walkers = [Walker() for _ in range(streams)]
    every_s = streams * size / rate if rate else 0.0
    async with contextlib.AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(
                grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
            )
            for _ in range(4)
        ]
        begin, before = time.monotonic(), cpu_us(pid)
        until = begin + seconds
        await asyncio.gather(
            *(
                walk(channels[n % 4], walker, token(secrets, walker.user), size=size, until=until, every_s=every_s)
                for n, walker in enumerate(walkers)
            )
        )
        took, used = time.monotonic() - begin, cpu_us(pid) - before
    readings = size * sum(walker.acknowledged for walker in walkers)
    return Figure(readings, took, used, [ms for walker in walkers for ms in walker.latencies_ms]), walkers


async def verify(mysql_url: str, walkers: list[Walker], size: int) -> None:
    """Every slot of every walker holds at least the last acknowledged count."""
    days = {day: [hour for other, hour in slots(size) if other == day] for day, _ in slots(size)}
    for walker in walkers:
        for day, hours in days.items():
            columns = ",".join(f"h{hour:02d}" for hour in hours)
            rows = await run_on(
                mysql_url,
                f"SELECT {columns} FROM day_device WHERE user_id = x'{walker.user.hex}' AND date = '{day}'",  # noqa: S608
            )
            stored = [value for row in rows for value in row]
            assert len(stored) == len(hours)
            assert all(isinstance(value, int) and value >= walker.acknowledged for value in stored), walker


def token(secrets: Secrets, user: UUID) -> list[tuple[str, str]]:
    """Metadata with which *user* calls."""
    key = load_pem_private_key(secrets.access_token_key.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    jwk, *_ = json.loads(secrets.jwks.read_text())["keys"]
    return [("authorization", f"Bearer {Signer(jwk['kid'], key).token(sub=str(user))}")]


@contextlib.contextmanager
def process(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A server on core 0; its first line of output is its port."""
    child = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True)
    os.sched_setaffinity(child.pid, {0})
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(30)


@contextlib.asynccontextmanager
async def step_service(
    mysql_url: str, redis_url: str, secrets: Secrets, *, kind: str = "step"
) -> AsyncIterator[tuple[str, int]]:
    await migrate(mysql_url, files("firewalker.step.store") / "schema")
    settings = {
        "PORT": "0", "INTERNAL_PORT": "0", "MYSQL_URL": mysql_url, "REDIS_URL": redis_url, "JWKS_FILE": secrets.jwks,
        "SERVICE_TOKEN_FILE": secrets.service_token("step"), "SERVICE_ALLOW_FILE": secrets.allowed_services,
        "PAGE_KEY_FILE": secrets.page_key, "LOG_FORMAT": "json",
        # A few walkers do here what many do elsewhere: faster than any one of them may.
        "RATE_LIMITS": "false",
    }  # fmt: skip
    environment = {f"FIREWALKER_STEP_{name}": str(value) for name, value in settings.items()}
    with process([sys.executable, "-m", "tests.bench.serving", kind], environment) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        yield f"127.0.0.1:{port}", child.pid


@contextlib.contextmanager
def echo_service() -> Iterator[tuple[str, int]]:
    with process([sys.executable, "-m", "tests.bench.serving", "echo"], {}) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        yield f"127.0.0.1:{port}", child.pid


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    mysql, redis = os.environ.get("FIREWALKER_TEST_MYSQL_URL"), os.environ.get("FIREWALKER_TEST_REDIS_URL")
    if mysql and redis:
        yield GivenServers(mysql, redis)
        return
    with PrivateServers.start(folder) as private:
        yield private


async def run(options: argparse.Namespace) -> tuple[list[dict[str, float]], dict[str, float]]:
    """Measure both servers in turn, then the step service at a steady pace, and sum up."""
    os.sched_setaffinity(0, set(range(os.cpu_count() or 1)) - {0} or {0})
    figures: dict[str, dict[int, list[Figure]]] = {"step": {}, "echo": {}}
    with tempfile.TemporaryDirectory() as folder, servers(Path(folder) / "servers") as backing:
        secrets = make_secrets(Path(folder) / "secrets")
        async with (
            fresh_database(backing) as mysql_url,
            step_service(mysql_url, backing.redis_url(), secrets) as step,
        ):
            with echo_service() as echo:
                for _ in range(options.runs):
                    for size in SIZES:
                        for name, server in (("step", step), ("echo", echo)):
                            figure, walkers = await measure(
                                server, secrets, size=size, streams=options.streams, seconds=options.seconds
                            )
                            figures[name].setdefault(size, []).append(figure)
                            if name == "step":
                                await verify(mysql_url, walkers, size)
            paced, walkers = await measure(
                step, secrets, size=PACED_SIZE, streams=options.streams, seconds=options.seconds, rate=PACED_RATE
            )
            await verify(mysql_url, walkers, PACED_SIZE)
    return [summary(size, figures["step"][size], figures["echo"][size]) for size in SIZES], at_pace(paced)


def summary(size: int, step: list[Figure], echo: list[Figure]) -> dict[str, float]:
    latencies = sorted(ms for figure in step for ms in figure.latencies_ms)
    cost = statistics.median(figure.per_reading_us for figure in step)
    bare = statistics.median(figure.per_reading_us for figure in echo)
    return {
        "readings_a_message": size,
        "cpu_us_per_reading": round(cost, 2),
        "target_us": TARGET_US[size],
        "readings_per_second": round(statistics.median(figure.per_second for figure in step)),
        "p50_ms": round(latencies[len(latencies) // 2], 1),
        "p99_ms": round(latencies[len(latencies) * 99 // 100], 1),
        "bare_echo_us_per_reading": round(bare, 2),
        "ratio_to_echo": round(cost / bare, 2),
    }


def at_pace(figure: Figure) -> dict[str, float]:
    latencies = sorted(figure.latencies_ms)
    return {
        "readings_a_message": PACED_SIZE,
        "readings_per_second": round(figure.per_second),
        "cpu_us_per_reading": round(figure.per_reading_us, 2),
        "p50_ms": round(latencies[len(latencies) // 2], 1),
        "p99_ms": round(latencies[len(latencies) * 99 // 100], 1),
        "target_p99_ms": 50,
    }


def show(report: list[dict[str, float]]) -> None:
    names = list(report[0])
    print("  ".join(names))
    for row in report:
        print("  ".join(f"{row[name]:>{len(name)}}" for name in names))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--json", default="")
    chosen = parser.parse_args()
    full, paced = asyncio.run(run(chosen))
    print("As fast as it takes them:")
    show(full)
    print(f"\nAt {PACED_RATE} readings a second:")
    show([paced])
    if chosen.json:
        Path(chosen.json).write_text(json.dumps({"full": full, "paced": paced}, indent=2) + "\n")
