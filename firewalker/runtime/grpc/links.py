"""The connections of a channel: one to each address of a service, used in turn, made again when lost.

Calls and what their errors mean are `channel.py`'s. An address that cannot be reached is not asked again before a growing
delay has passed; meanwhile the others carry all calls.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from ssl import SSLContext
from typing import cast

from grpclib.client import Handler
from grpclib.protocol import H2Protocol

from firewalker.runtime.grpc.faults import ServiceUnavailable
from firewalker.runtime.grpc.tls import speaks_h2
from firewalker.runtime.grpc.wire import ServerConnection

CONNECT_S = 2.0
"""Longest attempt to connect."""

BACKOFF_S = 0.1
MAX_BACKOFF_S = 3.0
"""Between these the delay before the next attempt doubles, less a random part so that clients do not come in step."""


class Link:
    """One address and the connection to it, if there is one."""

    def __init__(self, host: str, port: int, factory: Callable[[], H2Protocol], tls: SSLContext | None = None) -> None:
        """With *tls* the peer has to show a certificate for *host*."""
        self.host = host
        self.port = port
        self._tls = tls
        self._factory = factory
        self._protocol: H2Protocol | None = None
        self._connecting: asyncio.Task[H2Protocol] | None = None
        self._failures = 0
        self._not_before = 0.0

    @property
    def protocol(self) -> H2Protocol | None:
        """The connection, if it takes new calls."""
        protocol = self._protocol
        if protocol is None or not isinstance(protocol.handler, Handler) or protocol.handler.connection_lost:
            return None
        return None if protocol.connection.is_closing() else protocol

    @property
    def calls(self) -> int:
        """Calls that are open on the connection."""
        return 0 if self._protocol is None else len(self._protocol.processor.streams)

    @property
    def has_room(self) -> bool:
        """Whether the peer takes one more call at once."""
        if self._protocol is None:
            return False
        settings = cast("ServerConnection", self._protocol.connection).h2.remote_settings
        return self.calls < settings.max_concurrent_streams

    @property
    def may_connect(self) -> bool:
        """Whether an attempt is under way or may be made now."""
        return self._connecting is not None or asyncio.get_running_loop().time() >= self._not_before

    def connect(self) -> "asyncio.Task[H2Protocol]":
        """The attempt under way, or a new one. Shared: who waits for it has to shield it."""
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect(), name=f"connect {self.host}:{self.port}")
            self._connecting.add_done_callback(self._connected)
        return self._connecting

    def close(self) -> None:
        """Close the connection; its calls end."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._protocol is not None:
            self._protocol.processor.close()
            self._protocol = None

    async def _connect(self) -> H2Protocol:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                transport, protocol = await loop.create_connection(self._factory, self.host, self.port, ssl=self._tls)
                if self._tls is not None and not speaks_h2(transport.get_extra_info("ssl_object")):
                    transport.abort()
                    raise ConnectionAbortedError("the peer does not speak HTTP/2")
        except OSError as error:  # TimeoutError is one
            self._failures += 1
            delay_s = min(MAX_BACKOFF_S, BACKOFF_S * 2.0 ** min(self._failures - 1, 10))
            self._not_before = loop.time() + delay_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
            raise ServiceUnavailable from error
        self._failures = 0
        self._protocol = protocol
        return protocol

    def _connected(self, task: "asyncio.Task[H2Protocol]") -> None:
        self._connecting = None
        if not task.cancelled():
            task.exception()  # whoever waited has seen it; there may be none


class Links:
    """Chooses the connection for each call: in turn, those that are there before those that would have to be made."""

    def __init__(self, links: Sequence[Link]) -> None:
        self.links = tuple(links)
        self._turn = 0

    async def protocol(self) -> H2Protocol:
        """A connection that takes a call.

        Raises:
            ServiceUnavailable: There is none and none can be made now.
        """
        self._turn += 1
        in_turn = [self.links[(self._turn + offset) % len(self.links)] for offset in range(len(self.links))]
        connected = []
        for link in in_turn:
            if link.protocol is not None:
                connected.append(link)
            elif link.may_connect:
                # Where there is another connection, the call need not wait for this one.
                link.connect()
        for link in connected:
            protocol = link.protocol
            if protocol is not None and link.has_room:
                return protocol
        if connected:
            # All are full: the call waits, within its deadline, where the fewest are before it.
            least = min(connected, key=lambda link: link.calls).protocol
            if least is not None:
                return least
        return await self._first_of([link.connect() for link in in_turn if link.may_connect])

    async def _first_of(self, attempts: Sequence["asyncio.Task[H2Protocol]"]) -> H2Protocol:
        pending = set(attempts)
        while pending:
            # `wait` cancels none of them: they are shared.
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for attempt in done:
                if not attempt.cancelled() and attempt.exception() is None:
                    return attempt.result()
        raise ServiceUnavailable

    def close(self) -> None:
        """Close every connection."""
        for link in self.links:
            link.close()
