"""Faults that arise on the wire itself. Those that use cases share are in `firewalker.kernel.faults`."""

from firewalker.kernel.faults import Fault, Kind


class CompressionUnsupported(Fault):
    """The client's `grpc-encoding` is unknown here; the answer's `grpc-accept-encoding` tells what is taken."""

    kind = Kind.UNSUPPORTED
    reason = "COMPRESSION_UNSUPPORTED"
    message = "The only compression of messages supported is gzip."


class AnswerTooLarge(Fault):
    """The answer is larger than its method may give: ask for less at once."""

    kind = Kind.EXHAUSTED
    reason = "ANSWER_TOO_LARGE"
    message = "The answer is too large; ask for less at once."


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


class StreamTooLong(Fault):
    """The client sent as much as one stream may carry. What was acknowledged stays; the rest goes into a new stream."""

    kind = Kind.EXHAUSTED
    reason = "STREAM_TOO_LONG"
    message = "The stream has carried as much as it may; open a new one."


class StreamTooOld(Fault):
    """The stream was open for as long as one may be. What was acknowledged stays; go on in a new stream."""

    kind = Kind.EXHAUSTED
    reason = "STREAM_TOO_OLD"
    message = "The stream was open for as long as it may be; open a new one."


class ServiceUnavailable(Fault):
    """Another service of this backend cannot be reached."""

    kind = Kind.UNAVAILABLE
    reason = "SERVICE_UNAVAILABLE"
    message = "Part of the backend is not available; try again."
