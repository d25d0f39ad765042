"""Faults that arise on the wire itself. Those that use cases share are in `firewalker.kernel.faults`."""

from firewalker.kernel.faults import Fault, Kind


class CompressionUnsupported(Fault):
    """A message came compressed; only `identity` is taken."""

    kind = Kind.UNSUPPORTED
    reason = "COMPRESSION_UNSUPPORTED"
    message = "Compressed messages are not supported."


class MethodNotFound(Fault):
    """There is no such method on this port."""

    kind = Kind.UNSUPPORTED
    reason = "METHOD_NOT_FOUND"
    message = "There is no such method."


class StreamStalled(Fault):
    """The client did not read what it was sent for too long."""

    kind = Kind.EXHAUSTED
    reason = "STREAM_STALLED"
    message = "The stream was not read for too long."


class ServiceUnavailable(Fault):
    """Another service of this backend cannot be reached."""

    kind = Kind.UNAVAILABLE
    reason = "SERVICE_UNAVAILABLE"
    message = "Part of the backend is not available; try again."
