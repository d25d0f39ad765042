"""Target, attackers and bystander of an abuse test, each in a process of its own but the bystander."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain, count
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Self

import grpc.aio

from tests.service.grpc.abuse.attacker import Order, Story
from tests.service.grpc.abuse.target import GRPCLIB
from tests.service.grpc.doors import RECORD

TIMES_QUIET = 2.0
"""How much slower a bystander's calls may be during an attack than in the quiet times around it. NET-05's figure."""

P99_FLOOR_MS = 5.0
"""Below this a difference of two tails says nothing. Attacker, server and bystander share two cores; a process that is woken
may wait for the time slice of another, 3 ms or so, and the slowest call of a round has done so once."""

MEDIAN_FLOOR_MS = 1.0
"""The same of two medians."""

TURNS_QUIET = 5.0
"""How long an attack may hold the server's event loop in one go, in CPU time: so many times what a whole call takes in quiet
times, which is a measure of the machine. It is three at most (`python -m tests.bench.floods`), of which the greater part is
that of a new connection; a call of somebody else waits for three turns."""

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Target:
    """A running server."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._pid = process.pid
        self.port = int(self._said())

    def longest_turn_ms(self) -> float:
        """The most that its event loop has worked without looking up since it was last asked, in CPU time."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        return float(self._said())

    def _said(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    @property
    def resident_mib(self) -> float:
        """Memory that it holds now."""
        return int(Path(f"/proc/{self._pid}/statm").read_text().split()[1]) * _PAGE_BYTES / 2**20


@contextmanager
def target(kind: str, **limits: Any) -> Iterator[Target]:
    """A server of that kind (see `target.py`) in a process of its own."""
    words = [sys.executable, "-m", "tests.service.grpc.abuse.target", kind, json.dumps(limits)]
    # Ours, from this very tree. Not asyncio's: it serves tests with an event loop each.
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield Target(process)
        finally:
            process.stdin.close()
            try:
                # The control is in no state to end by itself, and nobody asks how it would.
                process.wait(0.2 if kind == GRPCLIB else 5)
            except subprocess.TimeoutExpired:
                process.kill()


class Attacker:
    """A running attacker (see `attacker.py`), for one attack after the other."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._addresses = (f"127.0.{n // 250 + 1}.{n % 250 + 2}" for n in count())

    async def attacks(self, target: Target, flood: str, seconds: float, patience_s: float = 0.0) -> Story:
        """From an address that nobody had before; how it went."""
        order = Order(flood, target.port, next(self._addresses), seconds, max(seconds, patience_s))
        return await asyncio.wait_for(asyncio.to_thread(self._carry_out, order), order.patience_s + 20)

    def _carry_out(self, order: Order) -> Story:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
        self._process.stdin.flush()
        return Story(**json.loads(self._process.stdout.readline()))


@contextmanager
def attacker() -> Iterator[Attacker]:
    """An attacker in a process of its own. It has started before it is needed: starting takes a core for a while."""
    words = [sys.executable, "-m", "tests.service.grpc.abuse.attacker"]
    # Not asyncio's, as above.
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603
        try:
            yield Attacker(process)
        finally:
            # Each attack ends by itself, but nobody may be waiting for it any more.
            process.kill()


class Bystander:
    """A client that does nothing wrong, on a connection of its own."""

    def __init__(self, port: int) -> None:
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self._call = self._channel.unary_unary(RECORD)

    async def __aenter__(self) -> Self:
        # Connected: how long that takes is not what is measured.
        await self._call(b"", timeout=10)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()

    async def calls(self, seconds: float) -> list[float]:
        """How long calls take, one after the other, in milliseconds. Each has to succeed."""
        took = []
        end = perf_counter() + seconds
        while perf_counter() < end:
            begun = perf_counter()
            await self._call(b"", timeout=10)
            took.append((perf_counter() - begun) * 1000)
            # As a person's phone: one call after the other, not one upon the other.
            await asyncio.sleep(0.002)
        return took


def p99(took: list[float]) -> float:
    """The 99th of a hundred."""
    return sorted(took)[min(len(took) - 1, len(took) * 99 // 100)]


@dataclass(frozen=True)
class Round:
    """A bystander's calls, in milliseconds, before an attack and during it, and the server's longest turn in it."""

    quiet: list[float]
    attacked: list[float]
    turn_ms: float = 0.0


def excess(rounds: list[Round]) -> float:
    """What a bystander suffered as a share of what is allowed, by the worst of p99, median and turns; above 1 is too much.

    The p99 is that of the calls of all rounds together, for one round has too few to tell. Median and turns are those of the
    best round, quiet and attacked alike: the machine's hiccups only add, a defect is in all rounds.
    """
    quiet_p99, attacked_p99 = (p99(list(chain.from_iterable(sides))) for sides in _sides(rounds))
    quiet_median, attacked_median = (min(median(calls) for calls in sides) for sides in _sides(rounds))
    return max(
        attacked_p99 / max(TIMES_QUIET * quiet_p99, P99_FLOOR_MS),
        attacked_median / max(TIMES_QUIET * quiet_median, MEDIAN_FLOOR_MS),
        min(one.turn_ms for one in rounds) / (TURNS_QUIET * quiet_median),
    )


def told(rounds: list[Round]) -> str:
    """The figures of all rounds, for people."""
    return " | ".join(
        f"quiet {median(one.quiet):.1f}, p99 {p99(one.quiet):.1f}; attacked {median(one.attacked):.1f}, "
        f"p99 {p99(one.attacked):.1f}; turn {one.turn_ms:.1f} ms"
        for one in rounds
    )


def _sides(rounds: list[Round]) -> tuple[list[list[float]], list[list[float]]]:
    return [one.quiet for one in rounds], [one.attacked for one in rounds]
