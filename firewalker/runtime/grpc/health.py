"""grpc.health.v1 on every port: what balancers and probes ask. Whether to serve is decided elsewhere and told here."""

import asyncio
from collections.abc import Iterable
from typing import Any, ClassVar

from grpc_health.v1 import health_pb2

from firewalker.kernel.faults import Fault, Kind
from firewalker.runtime.grpc.messages import DescriptorSet
from firewalker.runtime.grpc.policy import Caller, Priority, Rule
from firewalker.runtime.grpc.streams import HotStream

_PUBLIC = Rule(Caller.PUBLIC, max_message_bytes=1024, priority=Priority.HEALTH)


LIVE = "live"
"""Asked for under this name, health says whether the process answers at all, and nothing else: MySQL being away, or a
drain, is no reason to kill it (NET-40). Whether to send it calls is asked under `""` or a service's name."""


class ServiceUnknown(Fault):
    """A health check of a service that is not here."""

    kind = Kind.NOT_FOUND
    reason = "SERVICE_UNKNOWN"
    message = "There is no such service here."


class Health:
    """The state of one port: of the whole (`""`) and of each service on it."""

    SERVICE: ClassVar = "grpc.health.v1.Health"
    POLICY: ClassVar = {"Check": _PUBLIC, "Watch": _PUBLIC, "List": _PUBLIC}
    DESCRIPTORS: ClassVar = DescriptorSet.of_modules(health_pb2.DESCRIPTOR)

    def __init__(self, services: Iterable[str] = ()) -> None:
        """Nothing is served until `set` says so; alive is whoever can say it."""
        self._serving: dict[str, bool] = dict.fromkeys(("", *services), False) | {LIVE: True}
        self._changed = asyncio.Event()

    def add(self, services: Iterable[str]) -> None:
        """More services that can be asked about."""
        for service in services:
            self._serving.setdefault(service, self._serving[""])

    def set(self, serving: bool, service: str | None = None) -> None:  # noqa: FBT001 - reads as health.set(True)
        """Switch one service, or all of them and the whole; watchers learn of it at once."""
        for name in self._serving if service is None else (service,):
            self._serving[name] = serving or name == LIVE
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def serving(self) -> bool:
        """Whether the whole takes traffic."""
        return self._serving[""]

    async def check(self, request: Any) -> Any:
        """The state of a service now. Raises ServiceUnknown if it is not here."""
        if request.service not in self._serving:
            raise ServiceUnknown
        return health_pb2.HealthCheckResponse(status=self._status(request.service))

    async def list(self, request: Any) -> Any:
        """The state of everything."""
        del request
        statuses = {name: health_pb2.HealthCheckResponse(status=self._status(name)) for name in self._serving}
        return health_pb2.HealthListResponse(statuses=statuses)

    async def watch(self, request: Any, stream: HotStream) -> None:
        """The state of a service now, and again whenever it changes. Ends when the server drains."""
        last = None
        while True:
            changed, ending = self._changed, stream.ending.done()
            status = self._status(request.service)
            if status != last:
                await stream.send(health_pb2.HealthCheckResponse(status=status))
                last = status
            if ending:
                raise stream.ending.result()
            waiting = asyncio.ensure_future(changed.wait())
            try:
                await asyncio.wait((waiting, stream.ending), return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()

    def _status(self, service: str) -> Any:
        serving = self._serving.get(service)
        if serving is None:
            return health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        return health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
