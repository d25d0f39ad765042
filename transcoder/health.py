"""Readiness: whether every service behind the transcoder answers. Liveness needs no code.

What a service says of itself is shown (DEGRADED) and decides nothing. One process of several that drains says NOT_SERVING for a while and
still takes calls, and every transcoder hears it: if that made them not ready, one restart would take all of REST away.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from grpc_health.v1 import health_pb2

from transcoder.backends import Backend, Backends
from transcoder.errors import Code, Problem
from transcoder.statuses import Fault
from transcoder.upstream import Call

_CHECK_TIMEOUT_S: Final = 2.0
_LARGEST_ANSWER: Final = 1024
_UNREACHABLE: Final = "UNREACHABLE"
_WHOLE_SERVER: Final = b"\0\0\0\0\0"
"""One frame with an empty HealthCheckRequest: the server as a whole."""


class Readiness:
    """Asks ``grpc.health.v1`` of every backend. *draining* makes the answer no at once."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends
        self.draining = False

    async def check(self) -> tuple[bool, dict[str, Any]]:
        """Whether all answer, and what each backend said, by package prefix."""
        prefixes = self._backends.by_prefix
        states = await asyncio.gather(*(_state(backend) for backend in prefixes.values()))
        ready = not self.draining and _UNREACHABLE not in states
        if self.draining:
            status = "DRAINING"
        elif not ready:
            status = "NOT_SERVING"
        else:
            status = "SERVING" if set(states) <= {"SERVING"} else "DEGRADED"
        return ready, {"status": status, "backends": dict(zip(prefixes, states, strict=True))}


async def _state(backend: Backend) -> str:
    call = Call(backend, _LARGEST_ANSWER)
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_S):
            await call.start(b"/grpc.health.v1.Health/Check", [(b"grpc-timeout", b"2S")], _WHOLE_SERVER)
            data = await call.message()
            await call.finish()
    except (TimeoutError, Problem):
        return _UNREACHABLE
    except Fault as fault:
        return "UNKNOWN" if fault.code is Code.UNIMPLEMENTED else "NOT_SERVING"
    finally:
        call.close()
    answer = health_pb2.HealthCheckResponse.FromString(data or b"")
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
