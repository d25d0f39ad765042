"""Servers for benchmarks, as processes of their own: `step`, the real service, and `echo`, the least that grpc.aio can do.

    python -m tests.bench.serving step|freezing|echo

`freezing` is `step`, but does not wait a minute to look for boards to freeze.

Prints its port as its first line, then serves until SIGTERM.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import grpc.aio

from firewalker.kernel.clock import SystemClock
from firewalker.runtime import logging
from firewalker.runtime.chores import Chore
from firewalker.runtime.config import load
from firewalker.runtime.garbage import rare_collections
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox import Outbox
from firewalker.step.app import build
from firewalker.step.config import StepConfig
from firewalker.step.events import OutboxFacts
from firewalker.step.usecases.settling import Settling


async def serve_step(*, eager: bool = False) -> None:
    """The step service as `python -m firewalker.step` builds it, with its log off; *eager* to freeze boards."""
    logging.configure(level="error", form="json", service="step")
    config = load(StepConfig)
    app = await build(config)
    async with app.resources:
        if eager:
            # As the service's own, which looks once a minute.
            database = await app.resources.enter_async_context(
                Database(config.mysql_url.get_secret_value(), pool_size=1)
            )
            clock = SystemClock()
            settling = Settling(database, OutboxFacts(Outbox("notification"), clock), clock)
            app.parts = [*app.parts, Chore("freeze boards at once", timedelta(seconds=0.2), settling.settle)]
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
    asyncio.run({"step": serve_step, "freezing": lambda: serve_step(eager=True), "echo": serve_echo}[sys.argv[1]]())
