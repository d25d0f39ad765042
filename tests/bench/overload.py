"""What a server gets done when three times as many calls come as it can serve, and how soon it is well again after.

    python -m tests.bench.overload [--seconds 60] [--only with|without] [--json overload.json]

Open loop: calls begin when they are due, whatever became of those before (no coordinated omission). The server is a process
of its own; each call computes for a moment and then holds one of a few places for a while, as a query holds a connection.
Its capacity is measured first, by raising the rate. Goodput counts answers that were OK and within the client's deadline.
`without` serves the same with admission switched off.
"""

import argparse
import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import grpc
import structlog
from rich.console import Console
from rich.table import Table

from firewalker.runtime.grpc.admission import Admission
from firewalker.runtime.grpc.edge import Edge
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.grpc.policy import Caller, Priority, Rule
from firewalker.runtime.grpc.server import GrpcServer
from tests.bench.unary import pin
from tests.support.partial_doors import part_of

PATH = "/firewalker.step.v1.StepService/RecordSteps"
CONNECTIONS = 24
PLACES = 10
HOLD_S = 0.04
COMPUTE_S = 0.0005
DEADLINE_S = 0.5


@part_of("firewalker.step.v1.StepService")
class WorkDoor:
    """RecordSteps that computes for half a millisecond and then holds one of ten places for forty."""

    SERVICE: ClassVar = "firewalker.step.v1.StepService"
    POLICY: ClassVar = dict.fromkeys(("RecordSteps", "TrackSteps"), Rule(Caller.PUBLIC, priority=Priority.UPLOAD))

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(PLACES)
        self._answer = message_class("firewalker.step.v1.RecordStepsResponse")()

    async def record_steps(self, request: Any) -> Any:
        del request
        until = time.perf_counter() + COMPUTE_S
        while time.perf_counter() < until:
            pass
        async with self._places:
            await asyncio.sleep(HOLD_S)
        return self._answer

    async def track_steps(self, stream: Any) -> None:
        """Not measured here."""


async def serve(*, admission: bool) -> None:
    """Serve until standard input closes; print the port."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    server = GrpcServer([WorkDoor()], Edge(admission=Admission() if admission else None))
    await server.start()
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.close()


@asynccontextmanager
async def server_process(*, admission: bool) -> AsyncIterator[int]:
    """A server on the first core; its port."""
    command = [sys.executable, "-m", "tests.bench.overload", "--serve", "with" if admission else "without"]
    process = subprocess.Popen(  # noqa: ASYNC220 - starting it may block
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        pin(process.pid, 0)
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


@dataclass
class Phase:
    """What came of a stretch of load."""

    seconds: float
    offered: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    good_at: list[float] = field(default_factory=list)
    """When each good answer came, in seconds from the beginning."""

    @property
    def goodput(self) -> float:
        """Answers in time, per second."""
        return self.outcomes["OK"] / self.seconds

    def good_between(self, start: float, end: float) -> float:
        """Answers in time per second within a part of it."""
        return sum(start <= at < end for at in self.good_at) / (end - start)

    def p99_ms(self) -> float:
        """Of the good answers."""
        return quantile(self.latencies, 0.99) * 1000


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


class Load:
    """Clients on connections of their own."""

    def __init__(self, port: int) -> None:
        # Channels with equal options share one connection otherwise.
        self._channels = [
            grpc.aio.insecure_channel(
                f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
            )
            for _ in range(CONNECTIONS)
        ]
        self._calls = [channel.unary_unary(PATH) for channel in self._channels]

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()

    async def run(self, per_s: float, seconds: float) -> Phase:
        """Begin *per_s* calls a second, each at its time; wait for all answers."""
        phase, began, tasks = Phase(seconds), time.perf_counter(), []
        number = 0
        while (due := number / per_s) < seconds:
            ahead = due - (time.perf_counter() - began)
            if ahead > 0:
                await asyncio.sleep(ahead)
            tasks.append(asyncio.create_task(self._one(phase, began, due, number)))
            number += 1
        phase.offered = number
        await asyncio.gather(*tasks)
        return phase

    async def _one(self, phase: Phase, began: float, due: float, number: int) -> None:
        sent = time.perf_counter() - began
        try:
            await self._calls[number % CONNECTIONS](b"", timeout=max(0.001, due + DEADLINE_S - sent))
        except grpc.aio.AioRpcError as error:
            phase.outcomes[error.code().name] += 1
            if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                phase.refusals.append(time.perf_counter() - began - sent)
            return
        ended = time.perf_counter() - began
        phase.outcomes["OK"] += 1
        phase.latencies.append(ended - due)
        phase.good_at.append(ended)


@asynccontextmanager
async def connected(*, admission: bool) -> AsyncIterator[Load]:
    """A fresh server under the load of clients."""
    async with server_process(admission=admission) as port:
        load = Load(port)
        try:
            yield load
        finally:
            await load.close()


async def capacity(load: Load, seconds: float) -> float:
    """The most answers per second over rising rates, with latencies still in hand."""
    best = 0.0
    for per_s in (150, 200, 250, 300):
        phase = await load.run(per_s, seconds)
        best = max(best, phase.goodput)
        if phase.goodput < 0.9 * per_s:
            break
    return best


@dataclass
class Figures:
    """One server's."""

    peak: float
    quiet_p99_ms: float
    overload: Phase
    after: Phase

    def recovery_s(self, per_s: float) -> float:
        """When, after the overload, nine of ten offered calls were served again within a second's time."""
        for tenth in range(int(self.after.seconds * 10) - 9):
            if self.after.good_between(tenth / 10, tenth / 10 + 1) >= 0.9 * per_s:
                return tenth / 10
        return self.after.seconds

    def table(self) -> dict[str, float]:
        """What is reported."""
        return {
            "peak per s": self.peak,
            "offered per s": self.overload.offered / self.overload.seconds,
            "goodput per s": self.overload.goodput,
            "goodput of peak": self.overload.goodput / self.peak,
            "p99 ms, quiet": self.quiet_p99_ms,
            "p99 ms, admitted": self.overload.p99_ms(),
            "refused": self.overload.outcomes["RESOURCE_EXHAUSTED"],
            "refusal ms, median": quantile(self.overload.refusals, 0.5) * 1000,
            "p99 ms, second half": quantile(
                [
                    s
                    for at, s in zip(self.overload.good_at, self.overload.latencies, strict=True)
                    if at > self.overload.seconds / 2
                ],
                0.99,
            )
            * 1000,
            "goodput of peak, first second": self.overload.good_between(0.0, 1.0) / self.peak,
            "late": self.overload.outcomes["DEADLINE_EXCEEDED"],
            "recovery s": self.recovery_s(self.peak / 2),
        }


async def measure(seconds: float, *, admission: bool) -> Figures:
    """Quiet load, then from one moment to the next three times the capacity, then half of it."""
    pin(0, (os.cpu_count() or 1) - 1)
    async with connected(admission=admission) as load:
        peak = await capacity(load, min(4.0, max(1.5, seconds / 5)))
    # Another server, which knows of quiet times alone.
    async with connected(admission=admission) as load:
        quiet = await load.run(80, min(10.0, max(2.0, seconds / 4)))
        overload = await load.run(3 * peak, seconds)
        after = await load.run(peak / 2, min(10.0, max(6.0, seconds / 2)))
    return Figures(peak, quiet.p99_ms(), overload, after)


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", choices=["with", "without"], help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=10.0, help="of overload")
    parser.add_argument("--only", choices=["with", "without"], help="one of the two servers")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve(admission=arguments.serve == "with"))
        return
    results = {
        kind: asyncio.run(measure(arguments.seconds, admission=kind == "with")).table()
        for kind in ("with", "without")
        if arguments.only in (None, kind)
    }
    table = Table("", *(f"{kind} admission" for kind in results), title="Three times the capacity")
    for name in next(iter(results.values())):
        table.add_row(name, *(f"{figures[name]:.2f}" for figures in results.values()))
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
