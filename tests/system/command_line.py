"""The `firewalker` command against the running backend, started and waited for."""

from __future__ import annotations

import asyncio
import os
import sys

from firewalker.local.backend import Backend

FIREWALKER = [sys.executable, "-m", "firewalker.cli"]


async def started(backend: Backend, *arguments: str) -> asyncio.subprocess.Process:
    ports = {variable: str(port) for variable, port in backend.plan.ports.items()}
    given = {
        name: value for name, value in backend.plan.environment.items() if name.endswith(("_MYSQL_URL", "_REDIS_URL"))
    }
    environment = {**os.environ, **given, **ports, "FIREWALKER_LOCAL_DIR": str(backend.plan.secrets.folder.parent)}
    return await asyncio.create_subprocess_exec(
        *FIREWALKER, *arguments, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    async with asyncio.timeout(60):
        output, complaints = await process.communicate()
    return process.returncode, output.decode(), complaints.decode()
