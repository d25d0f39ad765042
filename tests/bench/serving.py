"""Servers for benchmarks, as processes of their own: `step`, the real service, and `echo`, the least that grpc.aio can do.

    python -m tests.bench.serving step|echo

Prints its port as its first line, then serves until SIGTERM.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio

from firewalker.runtime import logging
from firewalker.runtime.config import load
from firewalker.runtime.garbage import rare_collections
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.step.app import build
from firewalker.step.config import StepConfig


async def serve_step() -> None:
    """The step service as `python -m firewalker.step` builds it, with its log off."""
    logging.configure(level="error", form="json", service="step")
    app = await build(load(StepConfig))
    async with app.resources:
        for part in app.parts:
            await part.start()
        for server in app.servers:
            await server.start()
        public = app.servers[0]
        assert isinstance(public, GrpcServer)
        async with rare_collections():
            print(public.port, flush=True)
            await terminated()
        for server in app.servers:
            await server.close()
        for part in reversed(app.parts):
            await part.stop()


async def serve_echo() -> None:
    """TrackSteps that answers at once: parse, one ACCEPTED for each reading, serialise. No checks, no storage."""
    request_class = message_class("firewalker.step.v1.TrackStepsRequest")
    response_class = message_class("firewalker.step.v1.TrackStepsResponse")

    async def track(requests: AsyncIterator[Any], _: Any) -> AsyncIterator[Any]:
        async for request in requests:
            answer = response_class(message_id=request.message_id)
            for _reading in request.readings:
                answer.results.add(verdict=1)
            yield answer

    server = grpc.aio.server()
    handler = grpc.stream_stream_rpc_method_handler(track, request_class.FromString, response_class.SerializeToString)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("firewalker.step.v1.StepService", {"TrackSteps": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await terminated()
    await server.stop(1)


async def terminated() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


if __name__ == "__main__":
    asyncio.run({"step": serve_step, "echo": serve_echo}[sys.argv[1]]())
