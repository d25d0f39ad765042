"""A server to be attacked, as a program: `python -m tests.service.grpc.abuse.target fast|plain|grpclib [LIMITS]`.

Prints its port and serves until its standard input ends. The same two methods in all kinds: an echo of one message, and of
many; a stream that opens with the message id "pour" is answered without end.
"""

import asyncio
import json
import logging
import sys
from time import thread_time
from typing import Any

import structlog
from grpclib.const import Cardinality, Handler
from grpclib.server import Server

from firewalker.runtime.garbage import rare_collections
from firewalker.runtime.grpc.edge import Edge
from firewalker.runtime.grpc.limits import Limits
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.runtime.grpc.wire import Wire
from tests.service.grpc.doors import (
    RECORD,
    TRACK,
    RecordStepsRequest,
    RecordStepsResponse,
    StepDoor,
    TrackStepsRequest,
    TrackStepsResponse,
)

GRPCLIB = "grpclib"
"""The control: grpclib as it comes."""

POUR = "pour"
_POURED = TrackStepsResponse(message_id="x" * 50_000)


async def track(stream: Any) -> None:
    """Echo, or pour; for both kinds of streams."""
    receive = stream.recv if hasattr(stream, "recv") else stream.recv_message
    send = stream.send if hasattr(stream, "send") else stream.send_message
    while (request := await receive()) is not None:
        if request.message_id == POUR:
            while True:
                await send(_POURED)
        await send(TrackStepsResponse(message_id=request.message_id))


class PlainDoor:
    """The same for grpclib."""

    def __mapping__(self) -> dict[str, Handler]:
        unary, stream = Cardinality.UNARY_UNARY, Cardinality.STREAM_STREAM
        return {
            RECORD: Handler(self.record, unary, RecordStepsRequest, RecordStepsResponse),
            TRACK: Handler(track, stream, TrackStepsRequest, TrackStepsResponse),
        }

    async def record(self, stream: Any) -> None:
        request = await stream.recv_message()
        await stream.send_message(RecordStepsResponse(results=[{"verdict": 1} for _ in request.readings]))


async def serve(kind: str, limits: Limits, rule: Rule) -> tuple[Any, int]:
    """A server of that kind, and its port. Every address is counted, loopback too."""
    if kind == GRPCLIB:
        plain = Server([PlainDoor()])
        await plain.start("127.0.0.1", 0)
        listener: Any = plain._server
        return plain, listener.sockets[0].getsockname()[1]
    door = StepDoor(rule)
    door.on_track = track
    server = GrpcServer([door], Edge(), wire=Wire(kind), limits=limits, uncounted=())
    await server.start()
    server.health.set(True)
    return server, server.port


class TimedLoop(asyncio.SelectorEventLoop):
    """Measures its turns in CPU time, of which others on the machine take nothing away."""

    longest_s = 0.0

    def _run_once(self) -> None:
        before = thread_time()
        super()._run_once()  # type: ignore[misc]
        self.longest_s = max(self.longest_s, thread_time() - before)


async def _main(loop: TimedLoop, kind: str, limits: str) -> None:
    """Serve until the input ends; a line of it asks for the longest turn since the line before, in milliseconds."""
    _server, port = await serve(kind, Limits(**json.loads(limits)), Rule(Caller.PUBLIC))
    answer: object = port
    # As every process of ours.
    async with rare_collections():
        while True:
            sys.stdout.write(f"{answer}\n")
            sys.stdout.flush()
            if not await loop.run_in_executor(None, sys.stdin.readline):
                return
            answer, loop.longest_s = loop.longest_s * 1000, 0.0


if __name__ == "__main__":
    # As in production: nothing below warnings is written, so that what is measured is the wire.
    logging.basicConfig(level=logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with asyncio.Runner(loop_factory=TimedLoop) as runner:
        timed = runner.get_loop()
        assert isinstance(timed, TimedLoop)
        runner.run(_main(timed, sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "{}"))
