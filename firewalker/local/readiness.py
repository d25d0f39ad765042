"""Whether a process serves: the probes of a local run. None of them raises for a process that does not answer."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.exceptions import GRPCError, StreamTerminatedError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

ANSWER_LIMIT_S = 2.0


async def grpc_serving(host: str, port: int, tls: ssl.SSLContext | None = None) -> bool:
    """Whether grpc.health.v1 reports the server as a whole as SERVING."""
    channel = Channel(host, port, ssl=tls)
    try:
        check = UnaryUnaryMethod(channel, "/grpc.health.v1.Health/Check", HealthCheckRequest, HealthCheckResponse)
        answer = await check(HealthCheckRequest(), timeout=ANSWER_LIMIT_S)
    except (OSError, GRPCError, StreamTerminatedError, TimeoutError):
        return False
    finally:
        channel.close()
    return bool(answer.status == HealthCheckResponse.SERVING)


async def http_ok(host: str, port: int, path: str) -> bool:
    """Whether a GET of *path* is answered with status 200."""
    try:
        async with asyncio.timeout(ANSWER_LIMIT_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
                status_line = await reader.readline()
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError, ValueError):
        return False
    return status_line.startswith(b"HTTP/1.1 200 ")


async def off_the_loop(answers: Callable[[], bool]) -> bool:
    """The answer of a blocking probe, asked in a thread."""
    return await asyncio.to_thread(answers)
