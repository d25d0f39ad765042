"""The services behind the transcoder: which one a method belongs to, and the links to it.

Links are opened when they are wanted, shared by calls, and replaced when they drain or die. Calls over them are
:mod:`transcoder.upstream`.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext
from typing import Final

import structlog

from transcoder.callstream import Lost
from transcoder.errors import Code, Problem, Reason
from transcoder.link import Link, LinkSettings

_log = structlog.get_logger("transcoder")

_FIRST_WAIT_S: Final = 0.05
_LONGEST_WAIT_S: Final = 1.0
"""Waits between attempts to connect double between these; short, because a local service restarts within a second."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a backend listens."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Place:
    """One address and the links to it."""

    def __init__(
        self,
        address: Address,
        *,
        connect_timeout_s: float,
        max_links: int,
        settings: LinkSettings,
        tls: SSLContext | None = None,
    ) -> None:
        self.address = address
        self.tls = tls
        self._connect_timeout_s = connect_timeout_s
        self._max_links = max_links
        self._settings = settings
        self._links: list[Link] = []
        self._connecting: asyncio.Task[None] | None = None
        self._failures = 0
        self._not_before = 0.0

    @property
    def connected(self) -> bool:
        """Whether a link here has room."""
        return any(link.room > 0 for link in self._links)

    @property
    def may_connect(self) -> bool:
        """Whether a link could be opened now, or is being opened."""
        if len(self._links) >= self._max_links:
            return False
        return self._connecting is not None or asyncio.get_running_loop().time() >= self._not_before

    async def link(self) -> Link:
        """A link with room for one more call.

        Raises:
            Problem: UNAVAILABLE if there is none and none can be opened.
        """
        for _ in range(self._max_links + 1):
            for link in self._links:
                if link.room > 0:
                    return link
            if len(self._links) >= self._max_links:
                break
            if not self.may_connect:
                raise _unreachable()
            # Shared by all who wait: one caller that gives up must not take the connection from the others.
            await asyncio.shield(self.connect())
        raise Problem(Code.UNAVAILABLE, Reason.OVERLOADED, "Too many calls are open; try again.", retry_after_s=1)

    def connect(self) -> asyncio.Task[None]:
        """Begin to open a link, unless that is under way."""
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect(), name=f"connect {self.address}")
            self._connecting.add_done_callback(self._connected)
        return self._connecting

    def trim(self) -> None:
        """Close links that were opened for a rush and are idle now; the first one stays."""
        for link in self._links[1:]:
            if link.idle:
                link.close()

    def close(self) -> None:
        """Close all links; calls in flight are lost."""
        if self._connecting is not None:
            self._connecting.cancel()
        for link in list(self._links):
            link.close()

    async def _connect(self) -> None:
        link: Link | None = None
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, link = await asyncio.get_running_loop().create_connection(
                    lambda: Link(self._settings, self._ended), self.address.host, self.address.port, ssl=self.tls
                )
                await link.greeted
        except (OSError, Lost) as error:
            if link is not None:
                link.close()
            self._failed(error)
            raise _unreachable() from error
        if self._failures:
            _log.info("backend reachable again", backend=str(self.address))
        self._failures = 0
        self._links.append(link)

    def _connected(self, task: asyncio.Task[None]) -> None:
        self._connecting = None
        if not task.cancelled():
            task.exception()  # those who waited have seen it; there may be none

    def _failed(self, error: Exception) -> None:
        if not self._failures:
            _log.warning("backend unreachable", backend=str(self.address), error=str(error) or type(error).__name__)
        wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(self._failures, 10))
        self._failures += 1
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads reconnects, keeps no secret
        self._not_before = asyncio.get_running_loop().time() + wait_s * jitter

    def _ended(self, link: Link) -> None:
        if link in self._links:
            self._links.remove(link)


class Backend:
    """A service: one address or several, which are used in turn, past those that cannot be reached."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = tuple(places)
        self._turn = 0
        self.authority = str(self._places[0].address).encode()
        self.scheme = b"http" if self._places[0].tls is None else b"https"

    async def link(self) -> Link:
        """A link with room for one more call.

        Raises:
            Problem: UNAVAILABLE if there is none and none can be opened.
        """
        self._turn += 1
        in_turn = [self._places[(self._turn + offset) % len(self._places)] for offset in range(len(self._places))]
        connected = [place for place in in_turn if place.connected]
        if connected:
            for place in in_turn:
                # The call need not wait for those that are away or new.
                if not place.connected and place.may_connect:
                    place.connect()
            return await connected[0].link()
        problem = None
        for place in sorted(in_turn, key=lambda place: not place.may_connect):
            try:
                return await place.link()
            except Problem as found:
                problem = found
        raise problem or _unreachable()

    def trim(self) -> None:
        """Close links that were opened for a rush and are idle now."""
        for place in self._places:
            place.trim()

    def close(self) -> None:
        """Close all links; calls in flight are lost."""
        for place in self._places:
            place.close()


class Backends:
    """Backends by package prefix; the longest prefix wins, and the same addresses have one set of links."""

    def __init__(
        self,
        addresses: Mapping[str, Address | tuple[Address, ...]],
        *,
        connect_timeout_s: float,
        max_links: int,
        settings: LinkSettings | None = None,
        ca_file: Path | None = None,
    ) -> None:
        """With *ca_file* over TLS, to services whose certificate it vouches for. OSError if it holds none."""
        settings = settings or LinkSettings()
        tls = None if ca_file is None else _tls(ca_file)
        several = {prefix: found if isinstance(found, tuple) else (found,) for prefix, found in addresses.items()}
        places = {
            address: Place(
                address, connect_timeout_s=connect_timeout_s, max_links=max_links, settings=settings, tls=tls
            )
            for found in several.values()
            for address in found
        }
        shared = {found: Backend([places[address] for address in found]) for found in several.values()}
        self.by_prefix = {prefix: shared[found] for prefix, found in several.items()}

    def of(self, service: str) -> Backend | None:
        """The backend of a service by its full name, or None."""
        prefix = service
        while prefix:
            if prefix in self.by_prefix:
                return self.by_prefix[prefix]
            prefix = prefix.rpartition(".")[0]
        return None

    def close(self) -> None:
        """Close every link."""
        for backend in self.by_prefix.values():
            backend.close()


def _tls(ca_file: Path) -> SSLContext:
    """TLS 1.2 or later, and HTTP/2: a peer that agrees on something else never greets, and so is not reached."""
    context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    context.load_verify_locations(ca_file)
    return context


def _unreachable() -> Problem:
    return Problem(
        Code.UNAVAILABLE,
        Reason.BACKEND_UNAVAILABLE,
        "The service behind this method cannot be reached.",
        retry_after_s=1,
    )
