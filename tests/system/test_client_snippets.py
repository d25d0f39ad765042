"""What the clients' page tells people to type works. TypeScript has `make test-connect-web`."""

from __future__ import annotations

import asyncio
import os
import sys
import sysconfig
from pathlib import Path

import pytest

from firewalker.local.backend import Backend
from tests.support.snippets import PROTO, at, snippets

LIMIT_S = 120
TOOLS = str(Path(sys.executable).parent)


async def run(folder: Path, *command: str, **environment: str) -> str:
    """Run a program; what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, complaints = await asyncio.wait_for(process.communicate(), LIMIT_S)
    assert process.returncode == 0, output.decode() + complaints.decode()
    return output.decode()


@pytest.mark.parametrize(
    ("heading", "told"),
    [
        ("curl", ['"verdict":"ACCEPTED"', '"nickname":"AnnCurl"', 'data: {"snapshot"']),
        ("grpcurl", ["firewalker.step.v1.StepService", "rpc WatchFriendLeaderboard", '"nickname": "AnnGrpcurl"']),
    ],
)
async def test_the_snippets_for_shells_work(backend: Backend, tmp_path: Path, heading: str, told: list[str]) -> None:
    (script,) = snippets(heading, "sh")
    output = await run(tmp_path, "bash", "-eu", "-c", at(backend, script))
    assert [words for words in told if words not in output] == []


async def test_the_snippets_for_python_work(backend: Backend, tmp_path: Path) -> None:
    (stubs,) = snippets("Python", "sh")
    (program,) = snippets("Python", "python")
    (tmp_path / "proto").symlink_to(PROTO)
    (tmp_path / "client.py").write_text(at(backend, program))
    await run(tmp_path, "bash", "-eu", "-c", stubs)
    # Without this project's own package of the same name: -S leaves out the .pth file that leads to it.
    output = await run(tmp_path, sys.executable, "-S", "client.py", PYTHONPATH=sysconfig.get_path("purelib"))
    assert output.splitlines() == ["1 400", "2 900", "3 1200", "1 AnnPython 1200"]
