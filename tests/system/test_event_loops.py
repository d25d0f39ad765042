"""Nothing that clients ask for makes the event loop of a service compute for 20 ms in one go (NET-35)."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from firewalker.local.backend import Backend
from tests.system.people import Person, Town, eventually

SERVICES = ("user", "step", "notification")
LONG_TURNS = "firewalker_event_loop_long_turns_total"
LONGEST = "firewalker_event_loop_longest_turn_seconds"

PEOPLE = 6
STEPS = 40

pytestmark = [pytest.mark.alone, pytest.mark.requirement("NET-35")]


async def measured(backend: Backend, name: str) -> dict[str, float]:
    """That metric of every service."""
    found = {}
    async with httpx.AsyncClient() as client:
        for service in SERVICES:
            text = (await client.get(f"http://{backend.address(service, 'METRICS_PORT')}/metrics")).text
            (line,) = (line for line in text.splitlines() if line.startswith(f"{name} "))
            found[service] = float(line.split()[1])
    return found


async def a_day_together(town: Town) -> None:
    """People sign up, become friends, walk, and see each other's steps on their boards."""
    people = [await town.person("Loop") for _ in range(PEOPLE)]
    first, *others = people
    await asyncio.gather(*(town.befriend(first, other) for other in others))
    await town.know_each_other(first, PEOPLE)

    async def walk(person: Person) -> None:
        for steps in range(100, 100 + STEPS):
            await town.record(person, steps)
            await town.board(person)

    await asyncio.gather(*(walk(person) for person in people))

    async def all_seen() -> bool:
        return [steps for _, _, steps in await town.board(first)] == [99 + STEPS] * PEOPLE

    await eventually(all_seen, within_s=60)


async def test_the_main_job_holds_up_no_event_loop(backend: Backend, town: Town) -> None:
    # What is loaded, compiled and connected once is paid for in the first of them.
    await a_day_together(town)
    before = await measured(backend, LONG_TURNS)
    await a_day_together(town)
    assert await measured(backend, LONG_TURNS) == before, await measured(backend, LONGEST)
