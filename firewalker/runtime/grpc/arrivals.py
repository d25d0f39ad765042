"""Who may connect: how many at once in all and from one address, and how fast (NET-10).

Asked when a connection is made, before anything is spent on it. Who is refused is dropped with a TCP reset: clients see
UNAVAILABLE and come back later. No limit on the rate of all together: it would let one crowd shut out the others.
"""

import resource
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from time import monotonic
from typing import Literal

from firewalker.runtime.grpc.budget import Budget
from firewalker.runtime.grpc.limits import Limits

Network = IPv4Network | IPv6Network

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
"""This machine. Connections from it are not counted by address, unless told otherwise."""

Refusal = Literal["port_full", "address_full", "arrival_rate"]
"""Why somebody may not connect; a label of the connections metric."""

MOST_CONNECTIONS = 10_000
"""NET-10. Some 15 to 40 KiB each while idle: up to 400 MB."""

REMEMBERED_ADDRESSES = 20_000
"""Addresses kept beyond their last connection, so that coming and going is counted; the oldest are forgotten first."""

_IPV6_PREFIX = 64  # what one customer of a network is given


class Arrivals:
    """The open connections of one port, by address."""

    def __init__(
        self, limits: Limits, uncounted: Iterable[Network] = LOOPBACK, clock: Callable[[], float] = monotonic
    ) -> None:
        """Addresses in *uncounted* have no limits of their own."""
        self._limits = limits
        self._clock = clock
        self._most = limits.connections or most_connections()
        self.price_of_abuse = limits.blame
        """What an abusive connection costs its address, in arrivals."""
        self._uncounted = tuple(uncounted)
        self._visitors: dict[int, _Visitor] = {}
        self._open = 0

    @property
    def open(self) -> int:
        """Connections that were taken and have not ended."""
        return self._open

    def take(self, host: str) -> "Place | Refusal":
        """A place for a connection from *host*, to be given back when it ends; or why there is none."""
        if self._open >= self._most:
            return "port_full"
        visitor = self._visitor(host)
        if visitor is not None:
            if visitor.open >= self._limits.connections_per_address:
                return "address_full"
            if not visitor.arrivals.spend():
                return "arrival_rate"
            visitor.open += 1
        self._open += 1
        return Place(self, visitor)

    def give_back(self, visitor: "_Visitor | None") -> None:
        """A connection has ended; called by its place."""
        self._open -= 1
        if visitor is not None:
            visitor.open -= 1

    def _visitor(self, host: str) -> "_Visitor | None":
        """The record of an address, or None where connections are not counted by address."""
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            # Not an address: a unix socket.
            return None
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if any(address in network for network in self._uncounted):
            return None
        key = _key(address)
        # Taken out and put in again: the dictionary's order is that of the last visits.
        visitor = self._visitors.pop(key, None)
        if visitor is None:
            self._forget_some()
            visitor = _Visitor(Budget(self._limits.arrivals_burst, self._limits.arrivals_per_s, self._clock))
        self._visitors[key] = visitor
        return visitor

    def _forget_some(self) -> None:
        if len(self._visitors) < REMEMBERED_ADDRESSES + self._most:
            return
        # Who is connected is no more than `_most`; so at least the remembered ones can go.
        for key in [key for key, visitor in self._visitors.items() if not visitor.open][: REMEMBERED_ADDRESSES // 2]:
            del self._visitors[key]


class Place:
    """The right to one connection."""

    __slots__ = ("_arrivals", "_visitor")

    def __init__(self, arrivals: Arrivals, visitor: "_Visitor | None") -> None:
        self._arrivals: Arrivals | None = arrivals
        self._visitor = visitor

    def blame(self) -> None:
        """The connection was cut off for abuse: the address has to wait longer for its next ones."""
        if self._arrivals is not None and self._visitor is not None:
            self._visitor.arrivals.forfeit(self._arrivals.price_of_abuse)

    def give_back(self) -> None:
        """The connection has ended. Again does nothing."""
        if self._arrivals is not None:
            self._arrivals.give_back(self._visitor)
            self._arrivals = None


class _Visitor:
    __slots__ = ("arrivals", "open")

    def __init__(self, arrivals: Budget) -> None:
        self.arrivals = arrivals
        self.open = 0


def most_connections() -> int:
    """Connections that a port takes unless told: a quarter of the files is left for MySQL, Redis and the other port."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if files == resource.RLIM_INFINITY else max(1, min(MOST_CONNECTIONS, files * 3 // 4))


def raise_open_files() -> None:
    """Let this process open as many files as it may: the usual soft limit of 1 024 is for programs that use `select`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS * 2
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def within(host: str, networks: Iterable[Network]) -> bool:
    """Whether an address, as text, is in one of the networks; what is no address is in none."""
    if not networks:
        return False
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)


def _key(address: IPv4Address | IPv6Address) -> int:
    # Shifted IPv6 prefixes are at least 2^61 (2000::/3), so no IPv4 address collides with one that is routed.
    return int(address) >> (128 - _IPV6_PREFIX) if isinstance(address, IPv6Address) else int(address)
