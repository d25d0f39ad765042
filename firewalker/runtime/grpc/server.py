"""The gRPC server of one port: doors, health and reflection behind one edge; start, drain, close."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Self

from firewalker.kernel.faults import Draining
from firewalker.runtime.grpc import pins
from firewalker.runtime.grpc.arrivals import LOOPBACK, Arrivals, Network
from firewalker.runtime.grpc.doors import DoorError, Method, methods_of
from firewalker.runtime.grpc.edge import Edge
from firewalker.runtime.grpc.entrance import Entrance, Porch
from firewalker.runtime.grpc.health import Health
from firewalker.runtime.grpc.intake import Line
from firewalker.runtime.grpc.limits import Limits
from firewalker.runtime.grpc.messages import DescriptorSet, internal_descriptors, public_descriptors
from firewalker.runtime.grpc.partials import Partials
from firewalker.runtime.grpc.policy import Caller
from firewalker.runtime.grpc.protocol import CallsProtocol
from firewalker.runtime.grpc.reflection import REFLECTION_MODULES, Catalogue, Reflection
from firewalker.runtime.grpc.seen_blocks import silence_hpack
from firewalker.runtime.grpc.tls import ServerTls
from firewalker.runtime.grpc.wire import Wire

_BACKLOG = 1024
_ACCEPT_TURNS = 3
"""Turns of the event loop from a readable listener to `connection_made`."""
_ENTER_S = 1.0
"""How long a drain waits for those who have just connected and are amid their handshake."""
_CLOSE_S = 2.0
"""How long calls that were stopped may take to unwind before `close` returns."""


class GrpcServer:
    """Serves *doors* on one port. Health and reflection are always there.

    Life: `start` (health says NOT_SERVING until told otherwise), `drain` (finish what runs), `close`.
    """

    def __init__(
        self,
        doors: Sequence[object],
        edge: Edge,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        internal: bool = False,
        wire: Wire = Wire.FAST,
        limits: Limits | None = None,
        share_port: bool = False,
        uncounted: Iterable[Network] = LOOPBACK,
        tls: ServerTls | None = None,
        proxies: Sequence[Network] = (),
        trusted: Sequence[Network] = (),
        descriptors: DescriptorSet | None = None,
    ) -> None:
        """*internal* tells the port for other services: it takes SERVICE methods alone, the public one takes none.
        From addresses in *uncounted* any number may connect, up to the port's limit.
        *share_port* lets other processes listen on the same port. Without *tls* the port is in plain text. From
        addresses in *proxies*, which should be *uncounted* too, each connection has to begin with a PROXY header.
        Connections from addresses in *trusted* carry the calls of many clients, and have their budgets (`Limits`).
        *descriptors* has the protos of the doors where they are not this project's.

        Port 0 takes a free one; `port` tells which after `start`.

        Raises:
            DoorError: A door and its proto or its policy disagree, or the edge cannot tell who calls.
        """
        pins.check()
        if wire is Wire.FAST:
            silence_hpack()
        self._edge = edge
        self._host = host
        self._port = port
        # False would be asked of the system too, which on some fails.
        self._share_port = share_port or None
        self._wire = wire
        self._limits = limits or Limits()
        self._methods: dict[bytes, Method] = {}
        self._connections: set[CallsProtocol] = set()
        self._arrivals = Arrivals(self._limits, uncounted)
        self._partials = Partials(self._limits.unfinished_bytes)
        self._line = Line()
        self._trusted = trusted
        self._porch = Porch(self._arrivals, self._limits, edge.measures, self._calls, tls, proxies)
        self._listener: asyncio.Server | None = None
        if descriptors is None:
            descriptors = internal_descriptors() if internal else public_descriptors()
        services = [service for door in doors for service in self._take(door, descriptors, internal=internal)]
        self.health = Health(services)
        """Told by the process whether to take traffic; `health.set(True)`."""
        self._add_standard(services, descriptors)

    @property
    def port(self) -> int:
        """The port listened on; the one asked for before `start`."""
        return self._port

    @property
    def open_calls(self) -> int:
        """Calls being served."""
        return sum(len(connection.processor.streams) for connection in self._connections)

    @property
    def open_connections(self) -> int:
        """Connections from clients."""
        return len(self._connections)

    async def start(self) -> None:
        """Listen. Raises OSError if the address is taken."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            self._protocol, self._host, self._port, backlog=_BACKLOG, reuse_port=self._share_port
        )
        self._port = self._listener.sockets[0].getsockname()[1]

    async def drain(self, limit_s: float = 20.0) -> None:
        """Take no more connections and calls, let those that run finish, at most *limit_s* seconds.

        Clients are told (GOAWAY) and go elsewhere; streams are offered their end with Draining. Returns when no call
        is left or the time is up.
        """
        self.health.set(False)
        if self._listener is not None:
            # What waits in the listener's queue is lost with it: take it first.
            await self._accept_waiting()
            self._listener.close()
        told: set[CallsProtocol] = set()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(limit_s):
                # At least once, and again: a connection just accepted shows itself some turns later.
                for _ in range(_ACCEPT_TURNS):
                    self._tell_to_leave(told)
                    await asyncio.sleep(0)
                patience = loop.time() + _ENTER_S
                while self.open_connections or (self._porch.entering and loop.time() < patience):
                    self._tell_to_leave(told)
                    await self._something_ends()
        except TimeoutError:
            return
        finally:
            self._drop_entering()

    async def close(self) -> None:
        """Stop listening, end what still runs with Draining, and close every connection."""
        if self._listener is not None:
            self._listener.close()
        self._drop_entering()
        for connection in list(self._connections):
            connection.processor.stop_calls()
        try:
            async with asyncio.timeout(_CLOSE_S):
                while self.open_calls:
                    await self._something_ends()
        except TimeoutError:
            logging.getLogger(__name__).warning("calls did not stop in time: %d", self.open_calls)
        for connection in list(self._connections):
            connection.processor.finish_drain()
        try:
            async with asyncio.timeout(_CLOSE_S):
                while self._connections:
                    await self._something_ends()
        except TimeoutError:
            for connection in list(self._connections):
                connection.abort()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _accept_waiting(self) -> None:
        """Let the event loop take the connections that are complete and wait to be accepted."""
        for _ in range(_ACCEPT_TURNS):
            await asyncio.sleep(0)

    def _tell_to_leave(self, told: set[CallsProtocol]) -> None:
        for connection in self._connections - told:
            connection.processor.begin_drain()
            connection.processor.offer_end(Draining())
            told.add(connection)

    async def _something_ends(self) -> None:
        """Pause between looks at what is left. Draining is rare and short; a look costs microseconds."""
        await asyncio.sleep(0.01)

    def _drop_entering(self) -> None:
        for entrance in list(self._porch.entering):
            entrance.abort()

    def _protocol(self) -> asyncio.Protocol:
        if self._porch.tls is None and not self._porch.proxies:
            return self._calls()
        return Entrance(self._porch)

    def _calls(self) -> CallsProtocol:
        return CallsProtocol(
            self._methods,
            self._edge,
            self._limits,
            self._wire,
            connections=self._connections,
            arrivals=self._arrivals,
            partials=self._partials,
            line=self._line,
            trusted=self._trusted,
        )

    def _take(self, door: object, descriptors: DescriptorSet, *, internal: bool) -> list[str]:
        services = []
        for method in methods_of(door, descriptors):
            if (method.rule.caller is Caller.SERVICE) is not internal:
                raise DoorError(f"{method.path}: {method.rule.caller.name} methods have no place on this port")
            self._add(method)
            services.append(method.service)
        return list(dict.fromkeys(services))

    def _add(self, method: Method) -> None:
        if not self._edge.can_admit(method.rule.caller):
            raise DoorError(f"{method.path}: the edge has nothing to verify {method.rule.caller.name} callers with")
        path = method.path.encode("ascii")
        if path in self._methods:
            raise DoorError(f"{method.path} is served twice")
        self._methods[path] = method

    def _add_standard(self, services: list[str], descriptors: DescriptorSet) -> None:
        names = [module.DESCRIPTOR.services_by_name["ServerReflection"].full_name for module in REFLECTION_MODULES]
        standard_sets = [DescriptorSet.of_modules(module.DESCRIPTOR) for module in REFLECTION_MODULES]
        catalogue = Catalogue([descriptors, Health.DESCRIPTORS, *standard_sets], [*services, Health.SERVICE, *names])
        self.health.add([Health.SERVICE, *names])
        for method in methods_of(self.health, Health.DESCRIPTORS):
            self._add(method)
        for module in REFLECTION_MODULES:
            reflection = Reflection(catalogue, module)
            for method in methods_of(reflection, reflection.DESCRIPTORS):
                self._add(method)
