"""A start from nothing: a clean clone on a machine that has Python, git and make, until the main job has been done.

    python -m tests.scale.first_start        (make first-start)

What is committed is cloned into a temporary folder, with an empty HOME, empty caches and an environment scrubbed as in
`.ci/run`; database servers that are installed are ignored. Then `make run`, and over REST two people sign up, become friends,
one of them uploads, and the other's board shows it. Prints when each stage was over. Everything is stopped and removed.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from firewalker.local import ports
from firewalker.local.ports import HOST
from tests.system.people import TODAY, ZONE, new_name

PROJECT = Path(__file__).resolve().parents[2]
WITHIN_S = 600.0
STEPS = 4_321

KEPT = re.compile(r"(PIP|UV)_(?!CACHE).*|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|LANG|CI|(?i:(https?|no|all)_proxy)")
"""What package clients need of the environment, without what has been downloaded before."""

SAID = {
    "environment ready": "Python environment, from the lock with hashes",
    "reading the package lists": "keys made, settings checked",
    "Redis: ": "MariaDB and Redis downloaded and unpacked",
    "Firewalker is ready": "databases made and migrated, all processes ready",
}
"""What `make run` says at the end of a stage, in this order."""


@dataclass
class Stages:
    """When what was over."""

    began: float = field(default_factory=time.monotonic)
    over: list[tuple[str, float]] = field(default_factory=list)

    def end(self, stage: str) -> None:
        """Note that *stage* is over now."""
        self.over.append((stage, time.monotonic() - self.began))

    def table(self) -> Table:
        """For people: seconds of each and since the beginning."""
        table = Table("stage", "seconds", "since the beginning", title="A start from nothing")
        before = 0.0
        for stage, at_s in self.over:
            table.add_row(stage, f"{at_s - before:.1f}", f"{at_s:.1f}")
            before = at_s
        return table


def scrubbed(scratch: Path, free: dict[str, int]) -> dict[str, str]:
    """The environment of somebody who has just arrived; *free* are the ports, so that a running backend is not in the way."""
    python = Path(getattr(sys, "_base_executable", sys.executable))
    kept = {name: value for name, value in os.environ.items() if KEPT.fullmatch(name)}
    system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {
        **kept,
        **{name: str(port) for name, port in free.items()},
        "HOME": str(scratch / "home"),
        "TMPDIR": str(scratch / "tmp"),
        "PATH": f"{python.parent}:{system}",
        "FIREWALKER_IGNORE_INSTALLED_SERVERS": "1",
    }


async def started(process: asyncio.subprocess.Process, stages: Stages) -> None:
    """Read what `make run` says until everything is ready."""
    assert process.stdout is not None
    waited, lines = list(SAID), list[str]()
    async for line in process.stdout:
        lines.append(line.decode(errors="replace"))
        while waited and any(waited[0] in said for said in lines):
            stages.end(SAID[waited.pop(0)])
        if not waited:
            return
    raise RuntimeError("make run ended:\n" + "".join(lines[-30:]))


async def main_job(rest: httpx.AsyncClient, stages: Stages) -> None:
    """Two sign up and become friends, one uploads, the other's board shows it."""

    async def ask(method: str, path: str, token: str = "", **content: object) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return (await rest.request(method, path, json=content or None, headers=headers)).raise_for_status()

    ids, tokens = [], []
    for _ in range(2):
        name = new_name("New")
        person = {"email": f"{name.lower()}@example.com", "password": "a long walk home 17", "nickname": name}
        made = (await ask("POST", "/v1/auth/signup", timeZone=ZONE, **person)).json()
        ids.append(made["user"]["userId"])
        tokens.append(made["tokens"]["accessToken"])
    stages.end("two people signed up")
    await ask("POST", "/v1/friend-requests", tokens[0], userId=ids[1])
    await ask("POST", f"/v1/friend-requests/{ids[0]}:accept", tokens[1])
    stages.end("they are friends")
    reading = {"deviceId": "phone", "date": TODAY, "hour": 9, "steps": STEPS}
    taken = (await ask("POST", "/v1/steps", tokens[1], readings=[reading])).json()
    assert taken["days"] == [{"date": TODAY, "total": STEPS}], taken
    stages.end("one has uploaded, which is committed")
    async with asyncio.timeout(30):
        while True:
            board = (await ask("GET", f"/v1/leaderboards/friends?date={TODAY}", tokens[0])).json()["leaderboard"]
            if (ids[1], STEPS) in [(row["userId"], row["steps"]) for row in board["entries"]]:
                break
            await asyncio.sleep(0.02)
    stages.end("the other's board shows it")


async def stop(process: asyncio.subprocess.Process) -> None:
    """Ctrl-C, and wait for the end. make itself ends by the signal; what it ran says that it has stopped."""
    assert process.stdout is not None
    os.killpg(process.pid, signal.SIGINT)
    async with asyncio.timeout(60):
        said = (await process.stdout.read()).decode(errors="replace")
        await process.wait()
    assert said.rstrip().endswith("stopped"), said[-2_000:]


async def run(scratch: Path) -> Stages:
    """Everything, below *scratch*."""
    for name in ("home", "tmp"):
        (scratch / name).mkdir()
    free = ports.free()
    environment, stages = scrubbed(scratch, free), Stages()
    clone = ["git", "clone", "--quiet", "--no-hardlinks", str(PROJECT), "clone"]
    await asyncio.to_thread(subprocess.run, clone, cwd=scratch, env=environment, check=True)
    stages.end("cloned")
    process = await asyncio.create_subprocess_exec(
        "make", "run", cwd=scratch / "clone", env=environment, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, limit=1_000_000,
    )  # fmt: skip
    try:
        async with asyncio.timeout(WITHIN_S):
            await started(process, stages)
            address = f"http://{HOST}:{free['FIREWALKER_TRANSCODER_PORT']}"
            async with httpx.AsyncClient(base_url=address, timeout=30) as rest:
                await main_job(rest, stages)
        await stop(process)
        stages.end("stopped by Ctrl-C")
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return stages


def main() -> None:
    """Run it and print the table."""
    scratch = Path(tempfile.mkdtemp(prefix="fw-first-"))
    try:
        stages = asyncio.run(run(scratch))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    Console(width=100).print(stages.table())


if __name__ == "__main__":
    main()
