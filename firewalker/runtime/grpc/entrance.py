"""What stands before HTTP/2 on a connection: a balancer's PROXY header, the TLS handshake. Each bounded in size and time.

Only ports that have one of the two come here; others begin with `protocol.py` at once. A connection is counted from its
first moment (`arrivals.py`), or handshakes without end would be nobody's.
"""

import asyncio
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any, cast

from firewalker.runtime.grpc.arrivals import Arrivals, Network, Place, within
from firewalker.runtime.grpc.limits import Limits
from firewalker.runtime.grpc.measures import CallMeasures
from firewalker.runtime.grpc.protocol import CallsProtocol, host_of
from firewalker.runtime.grpc.proxy_header import MalformedProxyHeader, read_header
from firewalker.runtime.grpc.tls import ServerTls, speaks_h2

_RECORD_BYTES = 16_384
"""A TLS record holds no more. asyncio sets aside sixteen times that for each connection."""

_BUFFER_BYTES = 65_536
"""Of what was decrypted, or is to be written, before the other side is made to wait; what asyncio has without TLS."""


@dataclass(frozen=True)
class Porch:
    """What the entrances of a port share."""

    arrivals: Arrivals
    limits: Limits
    measures: CallMeasures
    calls: Callable[[], CallsProtocol]
    """Makes what a connection becomes."""
    tls: ServerTls | None = None
    proxies: Sequence[Network] = ()
    """Who connects for others, and has to say for whom."""
    entering: set["Entrance"] = field(default_factory=set)
    """Connections that have not got through yet."""


class Entrance(asyncio.Protocol):
    """One connection until it speaks HTTP/2."""

    def __init__(self, porch: Porch) -> None:
        self._porch = porch
        self._transport: asyncio.Transport | None = None
        self._place: Place | None = None
        self._host = ""
        self._head = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has connected."""
        porch, self._transport = self._porch, cast("asyncio.Transport", transport)
        host = host_of(transport)
        if not self._take_place(host):
            return
        porch.entering.add(self)
        # By the address alone: who could choose whether there is a header could choose who they are.
        if within(host, porch.proxies):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(porch.limits.opening_s, self._refuse, "slow_proxy_header")
        else:
            self._go_on(b"")

    def data_received(self, data: bytes) -> None:
        """More of the PROXY header, and what follows it."""
        if self._transport is None or self._transport.is_closing():
            return
        self._head += data
        try:
            header = read_header(self._head)
        except MalformedProxyHeader:
            self._refuse("proxy_header")
            return
        if header is None:
            return
        self._stop_waiting()
        if not header.client or self._take_place(header.client):
            self._go_on(self._head[header.size :])

    def connection_lost(self, exc: Exception | None) -> None:
        """It ended before the header did."""
        del exc
        self.leave()

    def abort(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def get_through(self, transport: asyncio.Transport) -> None:
        """*transport* carries HTTP/2 from here on."""
        place, self._place = self._place, None
        if place is None:
            transport.abort()
            return
        calls = self._porch.calls()
        calls.come_from(self._host, place)
        transport.set_protocol(calls)
        calls.connection_made(transport)

    def leave(self) -> None:
        """The connection has got through, or is lost."""
        self._stop_waiting()
        self._porch.entering.discard(self)
        if self._place is not None:
            self._place.give_back()
            self._place = None

    def _take_place(self, host: str) -> bool:
        """Be counted as *host* from here on; False if it may not come."""
        if self._place is not None:
            self._place.give_back()
            self._place = None
        place = self._porch.arrivals.take(host)
        if isinstance(place, str):
            self._refuse(place)
            return False
        self._host, self._place = host, place
        return True

    def _go_on(self, rest: bytes) -> None:
        """Begin the handshake, if there is one; *rest* came already."""
        transport, self._head = self._transport, b""
        if transport is None:
            return
        if self._porch.tls is not None:
            self._shake_hands(transport, self._porch.tls.context(), rest)
            return
        self.get_through(transport)
        self.leave()
        if rest:
            cast("CallsProtocol", transport.get_protocol()).data_received(rest)

    def _shake_hands(self, transport: asyncio.Transport, context: SSLContext, rest: bytes) -> None:
        loop, limits = asyncio.get_running_loop(), self._porch.limits
        waiter = loop.create_future()
        waiter.add_done_callback(self._hands_shaken)
        # Not `start_tls`: it loses what comes together with the end of the handshake, and cannot be given *rest*.
        tls = _Tls(
            loop,
            _Greeting(self),
            context,
            waiter,
            server_side=True,
            # typeshed knows of whole seconds only.
            ssl_handshake_timeout=cast("int", limits.handshake_s),
            ssl_shutdown_timeout=limits.closing_s,
        )
        transport.set_protocol(tls)
        tls.connection_made(transport)
        for start in range(0, len(rest), _RECORD_BYTES):
            piece = rest[start : start + _RECORD_BYTES]
            tls.get_buffer(len(piece))[: len(piece)] = piece
            tls.buffer_updated(len(piece))

    def _hands_shaken(self, waiter: "asyncio.Future[None]") -> None:
        error = None if waiter.cancelled() else waiter.exception()
        if self._place is not None:
            # asyncio ends its own wait with this error.
            self._porch.measures.connection("slow_tls" if isinstance(error, ConnectionAbortedError) else "no_tls")
        self.leave()

    def greeted(self, transport: asyncio.Transport) -> None:
        """The handshake is done; *transport* is the encrypted one."""
        if not speaks_h2(transport.get_extra_info("ssl_object")):
            self._porch.measures.connection("no_h2")
            self.leave()
            transport.abort()
            return
        transport.set_write_buffer_limits(high=_BUFFER_BYTES)
        cast("Any", transport).set_read_buffer_limits(high=_BUFFER_BYTES)
        self.get_through(transport)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, cause: str) -> None:
        self._porch.measures.connection(cause)
        self.abort()


class _Tls(SSLProtocol):
    """asyncio's, with a buffer as large as one record."""

    max_size = _RECORD_BYTES


class _Greeting(asyncio.Protocol):
    """What is behind the encryption until the handshake is done."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is."""
        self._entrance.greeted(cast("asyncio.Transport", transport))
