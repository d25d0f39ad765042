"""What clients may do to a port, and where each number comes from.

One setting of a service, a JSON object that names those that differ: `FIREWALKER_STEP_LIMITS={"connections": 5000}`.
What a single method may be sent stands in its rule (`policy.py`).
"""

from dataclasses import asdict, dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one port and of each of its connections. Sizes are bytes, times are seconds, none is zero.

    A connection from one of `trusted_proxies` carries the calls of as many clients as it may have `streams`: `unanswered_…`
    and `control_…` are so many times as large there, or one client of a balancer could cut off all the others.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    """A misspelt name is an error, as everywhere in the configuration."""

    # -- who may connect ---------------------------------------------------------------------------------------------

    connections: int | None = None
    """Open connections of a port; more are dropped as they come. Unset: 10 000, or three quarters of the files that
    the process may open if that is less. An idle one costs 15 to 40 KiB. NET-10."""
    connections_per_address: int = 1_000
    """The same for one address (for IPv6: one /64). Carriers put thousands of phones behind an address. Addresses of
    `exempt_networks` and `trusted_proxies` are not counted: behind one stand many. NET-10."""
    arrivals_burst: int = 1_000
    """New connections of one address in a burst. A new one costs about 0.2 ms. NET-10."""
    arrivals_per_s: float = 100.0
    """The same, sustained."""

    blame: int = 50
    """What a connection that is cut off for abuse costs its address, in arrivals: a flood ends after 500 frames or so, and
    opening the next one must not be free. Two such connections a second, sustained."""

    unfinished_bytes: int = 67_108_864
    """Parts of messages that are not whole yet, of all connections of a port together; past it those that began first are
    refused (OVERLOADED). A thousand uploads of the largest size at once; never below the largest message of a method. NET-01."""

    # -- how long is waited ------------------------------------------------------------------------------------------

    opening_s: float = 5.0
    """From connecting to the end of the HTTP/2 preface and SETTINGS; behind a balancer also for its PROXY header. NET-09."""
    handshake_s: float = 10.0
    """For the TLS handshake, where there is one, before `opening_s` begins. NET-09."""
    frame_s: float = 5.0
    """From the first byte of a header block, or of any other frame, to its last. A frame has at most 16 KiB. NET-09."""
    idle_s: float = 300.0
    """How long a connection without a call is kept; below the 350 s after which AWS's NLB forgets it in silence. NET-09."""
    age_s: float = 1_800.0
    """When a connection is told to end, give or take a tenth, so that clients spread over the processes anew. gRFC A9."""
    age_grace_s: float = 60.0
    """How long its calls may then go on; streams are offered their end after that. gRFC A9."""
    ping_every_s: float = 120.0
    """Silence of a client with open calls after which it is pinged. A silent flow sees a ping each 120 to 240 s, below
    the NLB's 350 s. NET-11."""
    ping_answer_s: float = 20.0
    """How long it may then stay silent before it counts as dead. gRFC A8."""
    unread_s: float = 10.0
    """How long a client may take next to nothing (under 4 KiB) while bytes wait for it. NET-07."""
    closing_s: float = 2.0
    """How long a peer may take to read the rest and to close its side, once nothing more will be sent."""

    # -- what one connection may do ----------------------------------------------------------------------------------

    streams: int = 100
    """Concurrent calls; more are refused one by one (REFUSED_STREAM), which clients repeat. NET-10."""
    stream_window_bytes: int = 65_535
    """What a client may send on one stream ahead of the door. NET-10."""
    connection_window_bytes: int = 1_048_576
    """The same for all streams of a connection together. NET-10."""
    header_list_bytes: int = 16_384
    """Headers of a request as HTTP/2 counts them: names, values, and 32 for each. NET-08."""
    continuations: int = 8
    """CONTINUATION frames of one header block. NET-08."""
    unanswered_burst: int = 100
    """Streams that may end before an answer, by a reset of either side or refused, in a burst. NET-05."""
    unanswered_per_s: float = 20.0
    """The same, sustained."""
    control_burst: int = 500
    """Frames that bring nothing forward (PING, SETTINGS, PRIORITY, WINDOW_UPDATE, crumbs of DATA, frames of streams
    that are over), in a burst. DATA in either direction gives two back. NET-06."""
    control_per_s: float = 100.0
    """The same, sustained."""
    ping_interval_s: float = 10.0
    """Pings of a client that has nothing to read may come this often; the third that comes too early is one too many
    (`too_many_pings`, upon which clients slow down). gRFC A8; NET-06."""
    outbound_bytes: int = 1_048_576
    """Bytes that wait for a client that does not read; past it the connection is cut. NET-07."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be positive")
