"""Server CPU per durable reading: ours beside the obvious ways, in the same run.

    python -m tests.bench.peers [--seconds 3] [--runs 3] [--walkers 64] [--json FILE]

The peers get one reading a call, which is committed before it is answered: that is what one writes first. Ours gets 1 and 10
readings a message of a stream. All check tokens and readings, on core 0, one after the other in each round; every answer is
checked, every reading changes its row, and the tables are read back at the end.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc.aio

from firewalker.local.secrets import Secrets, make_secrets
from firewalker.runtime.grpc.messages import message_class
from tests.bench.track_steps import Walker, cpu_us, measure, process, servers, slots, step_service, token, verify
from tests.support.databases import fresh_database, run_on

OURS = (1, 10)
"""Readings a message."""

TARGETS = {"http": 30, "grpc": 20}
"""How many times more CPU a reading costs there than in our stream of 10 a message, at least."""

NAMES = {"http": "FastAPI + SQLAlchemy", "grpc": "grpc.aio + SQLAlchemy"}

_ACCEPTED = 1
_Request = message_class("firewalker.step.v1.RecordStepsRequest")
_Response = message_class("firewalker.step.v1.RecordStepsResponse")

Send = Callable[[Walker], Awaitable[None]]


def reading(walker: Walker) -> dict[str, object]:
    """The walker's next: one step more than the last."""
    ((day, hour),) = slots(1)
    return {"device_id": "8a2b1c9e-bench-phone", "date": str(day), "hour": hour, "steps": walker.sent}


@contextlib.asynccontextmanager
async def over_http(port: int, authorization: str) -> AsyncIterator[Send]:
    """One connection that is kept; as little of a client as there can be."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def send(walker: Walker) -> None:
        body = json.dumps(reading(walker)).encode()
        head = f"POST /v1/steps HTTP/1.1\r\nhost: x\r\nauthorization: {authorization}\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        found = json.loads(await reader.readexactly(length))
        assert found == {"verdict": "ACCEPTED", "total": walker.sent}, found

    yield send
    writer.close()


@contextlib.asynccontextmanager
async def over_grpc(port: int, authorization: str) -> AsyncIterator[Send]:
    """A channel of its own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        call = channel.unary_unary(
            "/firewalker.step.v1.StepService/RecordSteps", _Request.SerializeToString, _Response.FromString
        )

        async def send(walker: Walker) -> None:
            answer = await call(_Request(readings=[reading(walker)]), metadata=[("authorization", authorization)])
            assert [result.verdict for result in answer.results] == [_ACCEPTED]
            assert answer.days[0].total == walker.sent

        yield send


CLIENTS = {"http": over_http, "grpc": over_grpc}


async def load(kind: str, peer: tuple[int, int], secrets: Secrets, walkers: list[Walker], seconds: float) -> float:
    """Have all *walkers* send without pause for some seconds; server CPU µs per reading. *peer*: port and process."""
    port, pid = peer
    before = cpu_us(pid), sum(walker.acknowledged for walker in walkers)
    until = time.monotonic() + seconds

    async def walk(walker: Walker) -> None:
        ((_, authorization),) = token(secrets, walker.user)
        async with CLIENTS[kind](port, authorization) as send:
            while time.monotonic() < until:
                walker.sent += 1
                await send(walker)
                walker.acknowledged = walker.sent

    await asyncio.gather(*map(walk, walkers))
    return (cpu_us(pid) - before[0]) / (sum(walker.acknowledged for walker in walkers) - before[1])


async def read_back(mysql_url: str, walkers: list[Walker]) -> None:
    """The peers' table holds at least what was acknowledged."""
    for walker in walkers:
        rows = await run_on(mysql_url, f"SELECT steps FROM hourly_steps WHERE user_id = '{walker.user}'")  # noqa: S608
        ((steps,),) = rows
        assert isinstance(steps, int)
        assert steps >= walker.acknowledged


async def run(options: argparse.Namespace) -> list[dict[str, object]]:
    """All servers in turn, round after round."""
    os.sched_setaffinity(0, set(range(os.cpu_count() or 1)) - {0} or {0})
    costs: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, servers(Path(folder) / "servers") as backing:
        secrets = make_secrets(Path(folder) / "secrets")
        async with contextlib.AsyncExitStack() as stack:
            ours_url = await stack.enter_async_context(fresh_database(backing))
            step = await stack.enter_async_context(step_service(ours_url, backing.redis_url(), secrets))
            peers: dict[str, tuple[str, tuple[int, int]]] = {}
            for kind in NAMES:
                url = await stack.enter_async_context(fresh_database(backing))
                command = [sys.executable, "-m", "tests.bench.peers.serving", kind, url, str(secrets.jwks)]
                child = stack.enter_context(process(command, {}))
                assert child.stdout is not None
                peers[kind] = url, (int(child.stdout.readline()), child.pid)
            walkers = {kind: [Walker() for _ in range(options.walkers)] for kind in NAMES}
            for _ in range(options.runs):
                for kind, (_, peer) in peers.items():
                    cost = await load(kind, peer, secrets, walkers[kind], options.seconds)
                    costs.setdefault(kind, []).append(cost)
                for size in OURS:
                    figure, ours = await measure(
                        step, secrets, size=size, streams=options.walkers, seconds=options.seconds
                    )
                    await verify(ours_url, ours, size)
                    costs.setdefault(f"ours {size}", []).append(figure.per_reading_us)
            for kind, (url, _) in peers.items():
                await read_back(url, walkers[kind])
    return summary({name: statistics.median(found) for name, found in costs.items()})


def summary(costs: dict[str, float]) -> list[dict[str, object]]:
    best = costs[f"ours {OURS[-1]}"]
    rows: list[dict[str, object]] = [
        {
            "server": NAMES[kind],
            "cpu_us": round(costs[kind], 1),
            "times_ours_at_1": round(costs[kind] / costs["ours 1"], 1),
            "times_ours_at_10": round(costs[kind] / best, 1),
            "target_times": TARGETS[kind],
        }
        for kind in NAMES
    ]
    rows += [{"server": f"firewalker, {size} a message", "cpu_us": round(costs[f"ours {size}"], 1)} for size in OURS]
    return rows


def main() -> None:
    """Parse the arguments, run, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description="Ours beside the obvious ways.")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--walkers", type=int, default=64)
    parser.add_argument("--json", default="")
    chosen = parser.parse_args()
    rows = asyncio.run(run(chosen))
    for row in rows:
        print("  ".join(f"{name}: {value}" for name, value in row.items()))
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
