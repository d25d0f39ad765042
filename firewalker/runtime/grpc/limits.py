"""What one client connection may do, and where each number comes from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may do."""

    streams: int = 100
    """Concurrent calls; more are refused one by one (REFUSED_STREAM), which clients repeat. NET-10."""
    stream_window_bytes: int = 65_535
    """What a client may send on one stream ahead of the door. NET-10."""
    connection_window_bytes: int = 1_048_576
    """The same for all streams of a connection together. NET-10."""
    unanswered_burst: int = 200
    """Streams that may end before an answer, by a reset of either side, in a burst. NET-05."""
    unanswered_per_s: float = 20.0
    """The same, sustained."""
    control_burst: int = 500
    """Control frames (PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA) without progress, in a burst. NET-06."""
    control_per_s: float = 100.0
    """The same, sustained."""
    outbound_bytes: int = 1_048_576
    """Bytes that wait for a client that does not read; past it the connection is cut. NET-07."""
    unread_s: float = 10.0
    """How long nothing may be taken by a client while bytes wait for it. NET-07."""
    closing_s: float = 2.0
    """How long a peer may take to read the rest and to close its side, once nothing more will be sent."""
    opening_s: float = 5.0
    """From connecting to the end of the HTTP/2 preface and SETTINGS. NET-09."""
