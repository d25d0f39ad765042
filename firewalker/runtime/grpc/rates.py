"""Which rates a call counts against: its user's or its address's, by its method's rule; and its address's in all.

Counting is `firewalker.runtime.rate_limits`'s. The throttles of signing in and up, which go by account and device too, are the
user service's own (`firewalker.user.throttles`); they read here where a call comes from.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

from firewalker.kernel.principal import current_site
from firewalker.runtime.grpc.arrivals import Network, within
from firewalker.runtime.grpc.policy import Caller
from firewalker.runtime.rate_limits import Rate, RateLimits

if TYPE_CHECKING:
    from firewalker.runtime.grpc.call import Call

UPLOADS = Rate("uploads", per_s=20.0, burst=200)
"""Uploads of readings by one user: a phone sends one in a while, a day of backlog some dozens at once."""

READS = Rate("reads", per_s=20.0, burst=200)
"""Reads by one user: as fast as thumbs are, with room for an app that opens ten screens at once."""

CHANGES = Rate("changes", per_s=5.0, burst=100)
"""Other changes by one user. The contract's own limits (requests and cheers a day) are kept in MySQL, not here."""

EXPORTS = Rate("exports", per_s=1 / 60, burst=5)
"""Exports of all of a user's data: each reads everything."""

PICTURES = Rate("pictures", per_s=1 / 30, burst=40)
"""Places for pictures and the taking of what was put there, by one user: an evening of choosing, no hour of 5 MiB each and decoding."""

SEARCHES = Rate("searches", per_s=1.0, burst=30)
"""Searches for people by one user: as fast as somebody types, too slow to copy everybody's names (PRIV-09)."""

SIGNING_IN = Rate("signing-in", per_s=20.0, burst=200)
"""Calls of nobody in particular from one address, behind which may be a whole office."""

ADDRESS = Rate("address", per_s=200.0, burst=2_000)
"""All calls of one address that are not signed in; what is left of a flood."""

_MOST_KNOWN = 10_000
"""Addresses that are remembered as exempt or not: parsing one costs more than all the rest of a call's counting."""

_IPV4_WHOLE = 32

_IPV4_SITE = 24
"""As much of an IPv4 address as is written down."""

_IPV6_SITE = 64
"""One customer has at least so many bits of an IPv6 address; single addresses of it cost nothing."""


class CallRates:
    """Spends the turns of calls."""

    def __init__(self, limits: RateLimits, *, trusted: Sequence[Network] = (), exempt: Sequence[Network] = ()) -> None:
        """*trusted* are the proxies whose `x-forwarded-for` is believed; calls from *exempt* addresses are not counted."""
        self._limits = limits
        self._trusted = trusted
        self._exempt = exempt
        self._exempt_known: dict[str, bool] = {}

    async def spend(self, call: "Call") -> None:
        """Take one turn for *call*.

        Raises:
            RateExceeded: Its user, or its address, calls too often.
        """
        rate = call.method.rule.rate
        if rate is None:
            return
        address = client_address(call.address, call.head.fields, self._trusted)
        if self._is_exempt(address):
            return
        if call.method.rule.caller is Caller.PUBLIC or call.method.rule.sensitive:
            current_site.set(_site(address))
        if call.principal is not None:
            await self._limits.spend(f"u:{call.principal.user_id}", rate)
        elif address:
            site = _site(address)
            await self._limits.spend(site, rate)
            await self._limits.spend(site, ADDRESS)

    def network_of(self, call: "Call") -> str:
        """Roughly where *call* comes from, for who looks into what happened to an account: no single address (PRIV-03)."""
        return _cut(client_address(call.address, call.head.fields, self._trusted), _IPV4_SITE) or ""

    def _is_exempt(self, address: str) -> bool:
        known = self._exempt_known.get(address)
        if known is None:
            if len(self._exempt_known) >= _MOST_KNOWN:
                self._exempt_known.clear()
            known = self._exempt_known[address] = within(address, self._exempt)
        return known


def client_address(peer: str, headers: Sequence[tuple[bytes, bytes]], trusted: Sequence[Network]) -> str:
    """Where a request comes from: the peer, or what trusted proxies say of it, read from the right.

    The last address that no trusted proxy vouches for is the client's; what stands left of it anybody can have written.
    """
    if not within(peer, trusted):
        return peer
    told = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin-1")
    address = peer
    for hop in reversed([part.strip() for part in told.split(",") if part.strip()]):
        try:
            ip_address(hop)
        except ValueError:
            return address
        address = hop
        if not within(hop, trusted):
            return address
    return address


def _site(address: str) -> str:
    return f"a:{_cut(address, _IPV4_WHOLE) or address}"


def _cut(address: str, ipv4_bits: int) -> str | None:
    """The network around *address*: of IPv6 one customer's, of IPv4 so many bits; None where it is no address at all."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    found = (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed
    if isinstance(found, IPv6Address):
        return str(IPv6Network((found, _IPV6_SITE), strict=False))
    return str(found) if ipv4_bits == _IPV4_WHOLE else str(IPv4Network((found, ipv4_bits), strict=False))
