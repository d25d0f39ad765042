"""What is done to whom and when: decided by the seed alone, so that a run can be had again."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tests.chaos.place import TARGETS, Place

WAYS = ("killed", "paused", "slowed", "cut off")
REST_S = 2.0
"""Between being ready again and the next strike."""
READY_WITHIN_S = 60.0


@dataclass(frozen=True)
class Strike:
    """One misfortune."""

    target: str
    way: str
    seconds: float
    """How long it lasts; of no meaning to who is killed."""
    delay_s: float
    """By how much who is slowed is."""


@dataclass(frozen=True)
class Struck:
    """One that was."""

    strike: Strike
    at_s: float
    """After the beginning."""
    ready_s: float
    """From its end until everything was ready again."""
    start: float
    """In seconds since 1970."""
    end: float
    """When everything was ready again."""


def strikes(seed: int) -> Iterator[Strike]:
    """Every way for every target once, in an order of the seed's; then again in another."""
    random = Random(seed)
    while True:
        every = [(target, way) for target in TARGETS for way in WAYS]
        random.shuffle(every)
        for target, way in every:
            yield Strike(target, way, round(random.uniform(1, 5), 1), round(random.uniform(0.05, 0.5), 2))


def complete(done: list[Struck]) -> bool:
    """Whether everyone was struck in every way."""
    return {(one.strike.target, one.strike.way) for one in done} == {
        (target, way) for target in TARGETS for way in WAYS
    }


async def strike_until(place: Place, seed: int, until: float) -> list[Struck]:
    """Strike, wait until everything is ready again, rest, and so on until *until* (`time.monotonic`)."""
    began, done = time.monotonic(), list[Struck]()
    for strike in strikes(seed):
        if time.monotonic() >= until:
            break
        at_s, start = time.monotonic() - began, time.time()
        print(f"{at_s:6.1f} s  {strike.target} {strike.way}", flush=True)
        await _carry_out(place, strike)
        over = time.monotonic()
        await asyncio.sleep(0.2)
        await place.backend.wait_ready(within_s=READY_WITHIN_S)
        done.append(Struck(strike, at_s, time.monotonic() - over, start, time.time()))
        await asyncio.sleep(REST_S)
    return done


async def _carry_out(place: Place, strike: Strike) -> None:
    backend, ways = place.backend, place.proxies[strike.target]
    match strike.way:
        case "killed":
            await backend.kill(strike.target)
        case "paused":
            backend.signal(strike.target, signal.SIGSTOP)
            try:
                await asyncio.sleep(strike.seconds)
            finally:
                backend.signal(strike.target, signal.SIGCONT)
        case _:
            for proxy in ways:
                if strike.way == "slowed":
                    proxy.set(delay_s=strike.delay_s)
                else:
                    proxy.set(refuse=True)
                    proxy.cut_all()
            try:
                await asyncio.sleep(strike.seconds)
            finally:
                for proxy in ways:
                    proxy.set()
