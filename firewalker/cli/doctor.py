"""`firewalker doctor`: everything that has to work, looked at from outside, in one table."""

from __future__ import annotations

import asyncio
import os
import platform
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
from rich.table import Table

from firewalker.cli.services import plan
from firewalker.cli.terminal import CommandError, number, out
from firewalker.kernel.faults import Fault
from firewalker.local.ports import HOST
from firewalker.local.problems import CannotStartError
from firewalker.local.readiness import grpc_serving
from firewalker.local.secrets import SERVICES
from firewalker.local.variables import unknown
from firewalker.runtime.mysql.inspection import describe
from firewalker.runtime.outbox import inspection
from firewalker.runtime.redis import RedisUnavailable, calling, connect, servers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from firewalker.cli.addresses import Address, Addresses

PACKAGES = ("firewalker", "grpclib", "h2", "betterproto2", "protobuf", "aiomysql", "redis", "starlette")

PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    good: bool
    facts: str


async def examine(addresses: Addresses) -> bool:
    """Look at everything and print it; True if all of it works."""
    table = Table("", "what", "facts", box=None, header_style="dim")
    all_good = True
    async for finding in _findings(addresses):
        table.add_row("[green]ok[/]" if finding.good else "[red]no[/]", finding.what, finding.facts)
        all_good = all_good and finding.good
    out.print(table)
    packages = "  ".join(f"{name} {_version(name)}" for name in PACKAGES)
    out.print(f"Python {platform.python_version()}  {packages}", style="dim")
    return all_good


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


async def _findings(addresses: Addresses) -> AsyncIterator[Finding]:
    for misspelt in unknown(os.environ):
        yield Finding("environment", good=False, facts=misspelt)
    for name in SERVICES:
        address: Address = getattr(addresses, name)
        yield await _service(f"{name} service", address, grpc_serving(address.host, address.port))
    rest = addresses.transcoder
    yield await _transcoder(rest)
    if addresses.user.host != HOST:
        return  # what is behind the public ports of another machine is not ours to look at
    try:
        here = plan()
    except (CommandError, CannotStartError) as problem:
        yield Finding("settings", good=False, facts=str(problem))
        return
    settings = {name: here.service_settings(name) for name in SERVICES}
    for name in SERVICES:
        internal = int(settings[name][f"FIREWALKER_{name.upper()}_INTERNAL_PORT"])
        yield await _service(f"{name} service, internal port", rest._replace(port=internal), _listens(internal))
    try:
        mysql = {name: here.url(name, "MYSQL_URL") for name in SERVICES}
        redis = here.url("step", "REDIS_URL")
    except (OSError, UnicodeError) as problem:
        yield Finding("settings", good=False, facts=f"a server's URL cannot be read from its file: {problem}")
        return
    for name in SERVICES:
        yield await _mysql(name, mysql[name])
        async for finding in _outbox(name, mysql[name]):
            yield finding
    async for finding in _redis(redis):
        yield finding


async def _service(what: str, address: Address, probe: Awaitable[bool]) -> Finding:
    began = time.monotonic()
    good = await probe
    took = f"{(time.monotonic() - began) * 1000:.0f} ms"
    return Finding(what, good, f"{address}, answers in {took}" if good else f"{address} does not answer as it should")


async def _transcoder(address: Address) -> Finding:
    """Whether it is ready and all services behind it say SERVING: one that does not leaves it ready."""
    began = time.monotonic()
    try:
        async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as client:
            answer = await client.get(f"http://{address}/readyz")
        report = answer.json()
        ill = [f"{prefix} {state}" for prefix, state in report["backends"].items() if state != "SERVING"]
        status = report["status"]
    except (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError):
        return Finding("transcoder", good=False, facts=f"{address} does not answer as it should")
    if ill or status != "SERVING":
        return Finding(
            "transcoder", good=False, facts=f"{address} is {status}: {', '.join(ill) or 'all services serve'}"
        )
    took = f"{(time.monotonic() - began) * 1000:.0f} ms"
    return Finding("transcoder", good=True, facts=f"{address}, answers in {took}")


async def _listens(port: int) -> bool:
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    return True


async def _mysql(service: str, url: str) -> Finding:
    what = f"MySQL of the {service} service"
    try:
        async with asyncio.timeout(PATIENCE_S):
            version, tables = await describe(url)
    except (Fault, OSError) as problem:
        return Finding(what, good=False, facts=str(problem) or type(problem).__name__)
    return Finding(what, good=tables > 0, facts=f"{version}, {tables} tables")


async def _outbox(service: str, url: str) -> AsyncIterator[Finding]:
    """Events that were given up are lost to their receivers until somebody replays them."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            lanes = await inspection.look(url)
    except (Fault, OSError):
        return  # said already of the database
    for lane in lanes:
        counts = lane.counts
        facts = f"{number(counts.waiting)} waiting, {number(counts.set_aside)} set aside"
        if counts.set_aside:
            facts += ": see `firewalker outbox`"
        yield Finding(f"events from {service} to {lane.destination}", good=not counts.set_aside, facts=facts)


async def _redis(url: str) -> AsyncIterator[Finding]:
    """The server, or every one of a cluster."""
    try:
        async with calling(PATIENCE_S):
            found = await servers(url)
    except RedisUnavailable as problem:
        yield Finding("Redis", good=False, facts=str(problem))
        return
    for server in found:
        what = "Redis" if len(found) == 1 else f"Redis at {urlsplit(server).netloc.rpartition('@')[2]}"
        yield await _redis_server(what, server)


async def _redis_server(what: str, url: str) -> Finding:
    client = connect(url)
    try:
        async with calling(PATIENCE_S):
            server = await client.info("server")
            memory = await client.info("memory")
    except RedisUnavailable as problem:
        return Finding(what, good=False, facts=str(problem))
    finally:
        await client.aclose()
    policy = memory["maxmemory_policy"]
    facts = f"{server['redis_version']}, {memory['used_memory_human']} used, maxmemory-policy {policy}"
    # An evicted revocation would let an ended session in again.
    return Finding(what, good=policy == "noeviction", facts=facts)
