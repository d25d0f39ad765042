"""A backend whose every connection goes through a proxy that can fail: between services, to servers, from clients."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import quote

from firewalker.cli.addresses import Address, Addresses
from firewalker.local import ports
from firewalker.local.backend import Backend, prepare
from firewalker.local.layout import Layout
from firewalker.local.plan import CALLS, Plan
from firewalker.local.ports import HOST
from firewalker.local.secrets import SERVICES
from tests.support.journal import Journal
from tests.support.proxy import FaultProxy

TARGETS = (*SERVICES, "transcoder", "mysql", "redis", "emulator")


@dataclass(frozen=True)
class Rerouted(Plan):
    """A plan whose programs reach each other through *via*: by program and port, the port of a proxy or its socket."""

    via: Mapping[str, str] = field(default_factory=dict)

    def service_settings(self, service: str) -> dict[str, str]:
        """As planned, past the proxies."""
        told, prefix = super().service_settings(service), f"FIREWALKER_{service.upper()}_"
        assert self.mysql is not None
        assert self.redis is not None
        for setting, server in (("MYSQL_URL", self.mysql), ("REDIS_URL", self.redis)):
            name = setting.partition("_")[0].lower()
            real, ours = str(server.socket), self.via[name]
            told[prefix + setting] = (
                told[prefix + setting]
                .replace(quote(real, safe=""), quote(ours, safe=""))
                .replace(quote(real), quote(ours))
            )
        for other in CALLS[service]:
            told[f"{prefix}{other.upper()}_ADDRESS"] = f"{HOST}:{self.via[f'{other} INTERNAL_PORT']}"
        if service == "notification":
            told[f"{prefix}FCM_BASE_URL"] = f"https://{HOST}:{self.via['emulator TLS_PORT']}"
        return told

    def transcoder_settings(self) -> dict[str, str]:
        """The same for the transcoder."""
        backends = ",".join(f"firewalker.{name}.v1={HOST}:{self.via[f'{name} PORT']}" for name in SERVICES)
        return {**super().transcoder_settings(), "FIREWALKER_TRANSCODER_BACKENDS": backends}


@dataclass
class Place:
    """The backend and the ways into it."""

    backend: Backend
    proxies: dict[str, list[FaultProxy]]
    """By target: every way to it."""
    via: Mapping[str, str]
    journal: Journal
    """Of what the processes said."""
    ledger: Path

    def address(self, service: str) -> str:
        """Where clients find *service*."""
        return f"{HOST}:{self.via[f'{service} PORT']}"

    def unexpected(self) -> list[str]:
        """Errors that a process wrote a traceback of: what was logged, and the error that it ends with."""
        errors = []
        for text in self.journal.tracebacks:
            logged, *lines = text.splitlines()
            told = [line.partition(" | ")[2].strip(" |+-") for line in lines]  # groups are framed
            errors.append(f"{logged} / {next(filter(None, reversed(told)))}")
        return errors

    def addresses(self) -> Addresses:
        """The same for the command line's walkers."""
        return Addresses(**{name: Address(HOST, int(self.via[f"{name} PORT"])) for name in (*SERVICES, "transcoder")})


@asynccontextmanager
async def place(folder: Path, settings: Mapping[str, str], journal: Journal) -> AsyncIterator[Place]:
    """A backend below *folder*, ready. What its processes say is written to *journal*."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FIREWALKER_")}
    ledger = folder / "ledger.jsonl"
    free = {name: str(port) for name, port in ports.free().items()}
    asked = {**kept, **free, **settings, "FIREWALKER_EMULATOR_LEDGER_FILE": str(ledger)}
    with prepare(Layout.at(folder), asked, packages=Layout.of(os.environ).packages) as plan:
        async with AsyncExitStack() as stack:
            proxies, via = await _proxies(plan, stack)
            rerouted = Rerouted(**{f.name: getattr(plan, f.name) for f in fields(Plan)}, via=via)
            backend = Backend(rerouted, journal.say)
            backend.start_all()
            stack.push_async_callback(backend.stop)
            await backend.wait_ready(within_s=60)
            yield Place(backend, proxies, via, journal, ledger)


async def _proxies(plan: Plan, stack: AsyncExitStack) -> tuple[dict[str, list[FaultProxy]], dict[str, str]]:
    proxies: dict[str, list[FaultProxy]] = {name: [] for name in TARGETS}
    via: dict[str, str] = {}
    assert plan.mysql is not None
    assert plan.redis is not None
    for name, server in (("mysql", plan.mysql), ("redis", plan.redis)):
        socket = str(server.socket.with_name(f"{name}-way.sock"))
        proxies[name].append(FaultProxy(str(server.socket), socket))
        via[name] = socket
    tcp = [(name, which) for name in SERVICES for which in ("PORT", "INTERNAL_PORT")]
    for name, which in [*tcp, ("transcoder", "PORT"), ("emulator", "TLS_PORT")]:
        proxies[name].append(FaultProxy((HOST, plan.port(name, which))))
        await proxies[name][-1].start()
        via[f"{name} {which}"] = str(proxies[name][-1].port)
    for name in ("mysql", "redis"):
        await proxies[name][0].start()
    for proxy in (proxy for ways in proxies.values() for proxy in ways):
        stack.push_async_callback(proxy.close)
    return proxies, via
