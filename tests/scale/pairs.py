"""A backend with two processes of every service and of the transcoder, each on ports of its own: `user` and `user-2`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from firewalker.local import ports
from firewalker.local.backend import Backend, prepare
from firewalker.local.layout import Layout
from firewalker.local.plan import CALLS, Plan
from firewalker.local.ports import HOST
from firewalker.local.secrets import SERVICES
from firewalker.local.unit import Program
from tests.support.journal import Journal

PAIRED = (*SERVICES, "transcoder")
SECOND = "-2"
READY_WITHIN_S = 90


@dataclass(frozen=True)
class Paired(Plan):
    """A plan in which everything but the servers is there twice, and each is told of both of the others."""

    others: Mapping[str, int] = field(default_factory=dict)
    """Ports of the second ones, by variable."""

    def programs(self) -> list[Program]:
        """The first ones as planned, then the second ones."""
        told = {**self.environment, **{name: str(port) for name, port in self.others.items()}}
        twin = replace(self, environment=told, ports=self.others, others=self.ports)
        seconds = [program for program in Plan.programs(twin) if program.name in PAIRED]
        return [*super().programs(), *(replace(program, name=program.name + SECOND) for program in seconds)]

    def service_settings(self, service: str) -> dict[str, str]:
        """As planned, with both addresses of the services it calls."""
        told = super().service_settings(service)
        for other in CALLS[service]:
            told[f"FIREWALKER_{service.upper()}_{other.upper()}_ADDRESS"] = ",".join(self._both(other, "INTERNAL_PORT"))
        return told

    def transcoder_settings(self) -> dict[str, str]:
        """The same for the transcoder."""
        backends = ",".join(f"firewalker.{name}.v1={'|'.join(self._both(name, 'PORT'))}" for name in SERVICES)
        return {**super().transcoder_settings(), "FIREWALKER_TRANSCODER_BACKENDS": backends}

    def port(self, process: str, which: str = "PORT") -> int:
        """A port of *process*, which may be a second one."""
        first = process.removesuffix(SECOND)
        return (self.ports if first == process else self.others)[f"FIREWALKER_{first.upper()}_{which}"]

    def _both(self, service: str, which: str) -> list[str]:
        return [f"{HOST}:{self.port(name, which)}" for name in (service, service + SECOND)]


@asynccontextmanager
async def paired_backend(folder: Path, settings: Mapping[str, str], journal: Journal) -> AsyncIterator[Backend]:
    """Such a backend below *folder*, ready. What its processes say is written to *journal*."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FIREWALKER_")}
    firsts, others = ports.free(), ports.free()
    # There is one emulator of FCM.
    others |= {name: port for name, port in firsts.items() if "EMULATOR" in name}
    asked = {**kept, **{name: str(port) for name, port in firsts.items()}, **settings}
    with prepare(Layout.at(folder), asked, packages=Layout.of(os.environ).packages) as plan:
        paired = Paired(**{f.name: getattr(plan, f.name) for f in fields(Plan)}, others=others)
        backend = Backend(paired, journal.say)
        backend.start_all()
        try:
            await backend.wait_ready(within_s=READY_WITHIN_S)
            yield backend
        finally:
            await backend.stop()
