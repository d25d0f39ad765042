"""Who calls, walks and watches through the balancers, and what they were told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import httpx

from tests.scale.balancing import Balancer
from tests.scale.callers import KINDS, Caller
from tests.system.boards import Watcher, over_grpc, over_sse, watching
from tests.system.people import Person, Town
from tests.system.trackers import GrpcioTracker, GrpclibTracker, Tracker
from tests.system.wire import Grpc

CALLERS = 2
"""Of each kind, at each balancer."""

WALK_PAUSE_S = 0.1


@dataclass
class Crowd:
    """Who calls, walks and watches through which balancer."""

    viewer: Person
    callers: list[Caller] = field(default_factory=list)
    trackers: list[Tracker] = field(default_factory=list)
    watchers: list[Watcher] = field(default_factory=list)

    def acknowledged(self) -> dict[str, int]:
        """Steps by user, as clients were told."""
        said = {caller.person.user_id: caller.steps for caller in self.callers}
        return said | {tracker.person.user_id: max(tracker.acknowledged.values()) for tracker in self.trackers}


@asynccontextmanager
async def crowd(town: Town, balancers: Sequence[Balancer]) -> AsyncIterator[Crowd]:
    """All connected, everybody a friend of the one whose board is watched."""
    here = Crowd(await town.person("Viewer"))
    async with AsyncExitStack() as stack:
        for balancer in balancers:
            for kind, client_of in KINDS.items():
                for _ in range(CALLERS):
                    person = await town.person(kind)
                    client = client_of(person, balancer.address)
                    stack.push_async_callback(client.close)
                    here.callers.append(Caller(f"{kind} through {balancer.name}", person, client))
            here.trackers += [
                GrpcioTracker(await town.person("Walker"), balancer.address("step")),
                GrpclibTracker(await town.person("Walker"), balancer.address("step")),
            ]
        friends = [caller.person for caller in here.callers] + [tracker.person for tracker in here.trackers]
        for friend in friends:
            await town.befriend(here.viewer, friend)
        await town.know_each_other(here.viewer, 1 + len(friends))
        for balancer in balancers:
            step = Grpc(balancer.address("step"))
            stack.push_async_callback(step.close)
            rest = await stack.enter_async_context(
                httpx.AsyncClient(base_url=f"http://{balancer.address('transcoder')}", timeout=15)
            )
            for name, frames in (("gRPC", over_grpc(step)), ("SSE", over_sse(rest))):
                watcher = Watcher(f"{name} through {balancer.name}", here.viewer)
                here.watchers.append(await stack.enter_async_context(watching(watcher, frames)))
        yield here


async def walk(tracker: Tracker, over: asyncio.Event) -> None:
    """Report one step more, wait until it is acknowledged, and so on until *over*; then end the stream in order."""
    steps = 0
    while not over.is_set():
        steps += 1
        await tracker.walk_to(steps)
        await asyncio.sleep(WALK_PAUSE_S)
    await tracker.finish()
