"""Two processes of everything behind HAProxy (L4) and Envoy (L7): all are replaced, one after the other, and nothing is lost."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from firewalker.local.backend import Backend
from firewalker.local.secrets import SERVICES
from firewalker.runtime.mysql.literals import fill
from firewalker.step.store.days import TOTAL
from tests.scale.balancing import HAPROXY_CALLS_FROM, Balancer, balanced, called_by
from tests.scale.crowd import Crowd, crowd, walk
from tests.scale.pairs import PAIRED, SECOND, paired_backend
from tests.scale.strangers import Strangers, strangers_over_grpc, strangers_over_rest
from tests.support.databases import run_on
from tests.support.journal import Journal
from tests.system.people import TODAY, Town, eventually
from tests.system.wire import Grpc

pytestmark = pytest.mark.asyncio(loop_scope="module")

DRAIN_DELAY_S = 5
"""As the balancers' files say."""

SETTINGS = {
    **{f"FIREWALKER_{name.upper()}_DRAIN_DELAY_S": str(DRAIN_DELAY_S) for name in PAIRED},
    **{f"FIREWALKER_{name.upper()}_PROXY_PROTOCOL_FROM": f"{HAPROXY_CALLS_FROM}/32" for name in SERVICES},
    # Envoy and the transcoders come from 127.0.0.1, as do those clients of the test that are not to be counted.
    **{f"FIREWALKER_{name.upper()}_TRUSTED_PROXIES": f"127.0.0.1/32,{HAPROXY_CALLS_FROM}/32" for name in SERVICES},
    **{f"FIREWALKER_{name.upper()}_EXEMPT_NETWORKS": "127.0.0.1/32" for name in SERVICES},
}

FLOOD = 400
"""Calls at once from one address, of which some 200 are let through."""


@dataclass
class Site:
    """The backend, what stands in front of it, and clients that go through HAProxy."""

    backend: Backend
    balancers: tuple[Balancer, ...]
    town: Town


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """All of it, started once."""
    folder = tmp_path_factory.mktemp("site")
    journal = Journal(folder / "journal.log")
    async with (
        paired_backend(folder / "backend", SETTINGS, journal) as backend,
        balanced(backend, folder) as balancers,
    ):
        user, step, notification = (Grpc(balancers[0].address(name)) for name in ("user", "step", "notification"))
        try:
            yield Site(backend, balancers, Town(user, step, notification))
        finally:
            for client in (user, step, notification):
                await client.close()
    assert not journal.tracebacks, "\n".join(journal.tracebacks)


async def replace(site: Site, process: str) -> float:
    """SIGTERM, wait for its end, start it, wait until it is called; the seconds until its end."""
    before, began = len(site.backend.lines(process)), time.monotonic()
    await site.backend.halt(process)
    took_s = time.monotonic() - began
    said = "\n".join(site.backend.lines(process)[before:])
    assert "stopped" in said, said
    assert "did not stop" not in said, said
    assert not any([await balancer.calls(process) for balancer in site.balancers])
    site.backend.revive(process)
    await site.backend.wait_ready(process)
    await called_by(site.balancers, process)
    return took_s


async def stored_steps(backend: Backend) -> dict[str, int]:
    statement = f"SELECT user_id, {TOTAL} FROM day_device WHERE date = %s GROUP BY user_id"  # noqa: S608 - a constant
    rows: list[Any] = await run_on(backend.setting("step", "MYSQL_URL"), fill(statement, (date.fromisoformat(TODAY),)))
    return {str(UUID(bytes=user)): int(steps) for user, steps in rows}


async def stored(backend: Backend, service: str, statement: str) -> dict[str, str]:
    rows: list[Any] = await run_on(backend.setting(service, "MYSQL_URL"), statement)
    return {str(UUID(bytes=user)): text for user, text in rows}


@pytest.mark.timeout(400)
@pytest.mark.requirement("NET-41", "NET-42")
async def test_everything_is_replaced_behind_both_balancers_and_nothing_is_lost(site: Site) -> None:
    async with crowd(site.town, site.balancers) as people:
        over, began = asyncio.Event(), time.monotonic()
        async with asyncio.TaskGroup() as group:
            for caller in people.callers:
                group.create_task(caller.work(over))
            for tracker in people.trackers:
                group.create_task(walk(tracker, over))
            ends_s = [await replace(site, name + which) for name in PAIRED for which in ("", SECOND)]
            over.set()
        took_s = time.monotonic() - began

        failures = sorted(failure for caller in people.callers for failure in caller.failures)
        assert not failures, "\n".join(failures)
        said = people.acknowledged()
        # What was acknowledged is what MySQL has: no less, and no more.
        assert await stored_steps(site.backend) == said
        names = await stored(site.backend, "user", "SELECT user_id, nickname FROM user")
        devices = await stored(site.backend, "notification", "SELECT user_id, registration FROM device")
        for caller in people.callers:
            assert names[caller.person.user_id] == caller.nickname
            assert devices[caller.person.user_id] == caller.registration

        async def complete() -> bool:
            return all(
                {user: row["steps"] for user, row in watcher.rows.items()} == said | {people.viewer.user_id: 0}
                and all(watcher.rows[one.person.user_id]["nickname"] == one.nickname for one in people.callers)
                for watcher in people.watchers
            )

        await eventually(complete)
        for watcher in people.watchers:
            assert watcher.fell == []
            # Each end is told, by the service or by the transcoder (UNAVAILABLE), and none is a broken connection.
            assert "SERVER_DRAINING" in watcher.ends
            assert set(watcher.ends) <= {"SERVER_DRAINING", "error event 14"}, (watcher.name, watcher.ends)
        assert all(tracker.reopened for tracker in people.trackers)
        resumed = sum(watcher.streams - 1 for watcher in people.watchers)
        reopened = sum(tracker.reopened for tracker in people.trackers)
        _report(people, ends_s, took_s, f"{resumed} watched boards and {reopened} tracks resumed")


@pytest.mark.requirement("NET-10")
@pytest.mark.parametrize(
    ("balancer", "strangers", "network"),
    [
        ("HAProxy", strangers_over_grpc, "127.0.1"),
        ("HAProxy", strangers_over_rest, "127.0.2"),
        ("Envoy", strangers_over_grpc, "127.0.3"),
        ("Envoy", strangers_over_rest, "127.0.4"),
    ],
)
async def test_limits_count_the_client_and_not_the_balancer(
    site: Site, balancer: str, strangers: Strangers, network: str
) -> None:
    (through,) = (one for one in site.balancers if one.name == balancer)
    refused = await strangers(through, f"{network}.1", FLOOD)
    assert set(refused) == {"REFRESH_TOKEN_INVALID", "RATE_EXCEEDED"}
    assert await strangers(through, f"{network}.2", 1) == ["REFRESH_TOKEN_INVALID"]


@pytest.mark.requirement("NET-09")
@pytest.mark.parametrize("balancer", ["HAProxy", "Envoy"])
async def test_headers_that_do_not_come_are_not_waited_for(site: Site, balancer: str) -> None:
    (through,) = (one for one in site.balancers if one.name == balancer)
    host, _, port = through.address("transcoder").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: example.org\r\n")
    answer = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")


def _report(people: Crowd, ends_s: list[float], took_s: float, streams: str) -> None:
    calls, slowest = sum(one.calls for one in people.callers), max(people.callers, key=lambda one: one.slowest_s)
    sys.stdout.write(
        f"\n{len(ends_s)} processes replaced one after the other in {took_s:.0f} s, the longest drain {max(ends_s):.1f} s; "
        f"{calls} calls, none failed, slowest {slowest.slowest_s * 1000:.0f} ms ({slowest.way}); {streams}\n"
    )
    for way in dict.fromkeys(one.way for one in people.callers):
        same = [one for one in people.callers if one.way == way]
        sys.stdout.write(
            f"  {way}: {sum(one.calls for one in same)} calls, slowest {max(one.slowest_s for one in same) * 1000:.0f} ms\n"
        )
