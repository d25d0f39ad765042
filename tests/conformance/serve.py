"""A server for the real conformance tools: the interop test service on our wire, plain or fast.

    python -m tests.conformance.serve [plain|fast]

Prints its port as its first line, then serves until standard input closes.
"""

import asyncio
import logging
import sys

import structlog

from firewalker.runtime.grpc.edge import Edge
from firewalker.runtime.grpc.measures import CallMeasures
from firewalker.runtime.grpc.wire import Wire
from tests.service.grpc.interop.server import serve_interop


async def serve(wire: Wire) -> None:
    """Serve until nobody listens any more."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    async with serve_interop(Edge(measures=CallMeasures()), wire) as server:
        server.health.set(True)
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)


if __name__ == "__main__":
    asyncio.run(serve(Wire(sys.argv[1] if len(sys.argv) > 1 else "fast")))
