"""Several processes of one service: started, kept, replaced and stopped by the first."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from firewalker.runtime import workers
from firewalker.runtime.workers import Workers
from tests.support.waiting import until

SERVES_AT_ONCE = """
import os, socket
line = socket.socket(fileno=int(os.environ["FIREWALKER_WORKER"].partition(":")[2]))
line.send(b"+")
line.recv(1)
"""
"""A worker that says so, and stays until the first process is gone."""

COMMAND = [sys.executable, "-m", "tests.support.tiny_service"]


@pytest.fixture
def settings(mysql_url: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    files = {}
    for name in ("JWKS_FILE", "SERVICE_TOKEN_FILE", "SERVICE_ALLOW_FILE", "PAGE_KEY_FILE"):
        path = tmp_path / name.lower()
        path.write_text("x")
        files[f"FIREWALKER_TINY_{name}"] = str(path)
    ports = {"FIREWALKER_TINY_PORT": "1", "FIREWALKER_TINY_INTERNAL_PORT": "2"}  # the tiny server opens neither
    mine = {"FIREWALKER_TINY_MYSQL_URL": mysql_url, "FIREWALKER_REDIS_URL": redis_url, "PATH": os.environ["PATH"]}
    return {**files, **ports, **mine}


class Herd:
    """A first process and what its workers say."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode().rstrip())

    def workers(self) -> set[int]:
        """The process ids of its children."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {int(pid) for pid in path.read_text().split()} if path.exists() else set()

    async def ended(self) -> int:
        status = await asyncio.wait_for(self.process.wait(), 60)
        await self.reader
        return status


Start = Callable[..., Awaitable[Herd]]


@pytest.fixture
async def start(settings: dict[str, str]) -> AsyncIterator[Start]:
    herds: list[Herd] = []
    migration = await asyncio.create_subprocess_exec(*COMMAND, "migrate", env=settings, stdout=PIPE, stderr=STDOUT)
    await migration.communicate()

    async def begin(*arguments: str, **changes: str) -> Herd:
        process = await asyncio.create_subprocess_exec(
            *COMMAND, *arguments, env={**settings, **changes}, stdout=PIPE, stderr=STDOUT
        )
        herds.append(Herd(process))
        return herds[-1]

    yield begin
    for herd in herds:
        if herd.process.returncode is None:
            herd.process.kill()
        await herd.ended()


def serving(herd: Herd, count: int) -> bool:
    return herd.lines.count("serving True") >= count


async def test_so_many_workers_serve_and_stop_together(start: Start) -> None:
    herd = await start("--workers", "2")
    await until(lambda: serving(herd, 2), 60)
    assert len(herd.workers()) == 2
    herd.process.terminate()
    assert await herd.ended() == 0
    assert herd.lines.count("resources closed") == 2


async def test_the_configuration_can_ask_for_workers(start: Start) -> None:
    herd = await start(FIREWALKER_TINY_WORKERS="2")
    await until(lambda: serving(herd, 2), 60)


async def test_a_worker_that_dies_is_started_again(start: Start) -> None:
    herd = await start("--workers", "2")
    await until(lambda: serving(herd, 2), 60)
    killed = min(herd.workers())
    os.kill(killed, signal.SIGKILL)
    await until(lambda: serving(herd, 3), 60)
    assert len(herd.workers() - {killed}) == 2


class Kept:
    """A first process in this one, whose workers are started by a file: without it none can be."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "worker"
        self.write(SERVES_AT_ONCE)
        self.herd = Workers(2, command=[str(self.file)])
        self.running = asyncio.create_task(self.herd.run())

    def write(self, program: str) -> None:
        fresh = self.file.with_suffix(".fresh")
        fresh.write_text(f"#!{sys.executable}\n{program}")
        fresh.chmod(0o700)
        fresh.replace(self.file)

    def serving(self) -> set[int]:
        return {worker.process.pid for worker in self.herd._workers.values() if worker.serves.is_set()}

    async def ended(self) -> None:
        self.herd._on_stop()
        assert await self.running == 0


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    kept = Kept(tmp_path)
    await until(lambda: len(kept.serving()) == 2, 60)
    yield kept
    await kept.ended()


def events(logs: Sequence[Mapping[str, object]]) -> set[object]:
    return {line["event"] for line in logs}


async def test_a_worker_that_cannot_be_started_is_tried_again(kept: Kept) -> None:
    kept.file.unlink()
    killed = min(kept.serving())
    with capture_logs() as logs:
        os.kill(killed, signal.SIGKILL)
        await until(lambda: "worker_not_started" in events(logs), 60)
        kept.write(SERVES_AT_ONCE)
        await until(lambda: len(kept.serving() - {killed}) == 2, 60)


@pytest.mark.requirement("NET-41")
async def test_a_replacement_that_cannot_be_started_leaves_the_old_ones(kept: Kept) -> None:
    kept.file.unlink()
    before = kept.serving()
    with capture_logs() as logs:
        kept.herd._roll.set()
        await until(lambda: "replacement_failed" in events(logs), 60)
        assert kept.serving() == before
        kept.write(SERVES_AT_ONCE)
        kept.herd._roll.set()
        await until(lambda: "workers_replaced" in events(logs), 60)
    assert len(kept.serving()) == 2
    assert not kept.serving() & before


async def test_where_there_is_no_room_for_another_thread_workers_are_tried_again_and_old_ones_stay(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")  # of asyncio's, that waits for the child's end

    before = kept.serving()
    with capture_logs() as logs:
        with monkeypatch.context() as crowded:
            crowded.setattr(asyncio, "create_subprocess_exec", full)
            kept.herd._roll.set()
            await until(lambda: "replacement_failed" in events(logs), 60)
            assert kept.serving() == before
            os.kill(min(before), signal.SIGKILL)
            await until(lambda: "worker_not_started" in events(logs), 60)
        await until(lambda: len(kept.serving() - {min(before)}) == 2, 60)


async def test_a_replacement_that_ends_at_once_is_not_started_again_beside_the_old_ones(kept: Kept) -> None:
    kept.write("raise SystemExit(1)")
    before = kept.serving()
    with capture_logs() as logs:
        kept.herd._roll.set()
        await until(lambda: "replacement_failed" in events(logs), 60)
    await until(lambda: len(kept.herd._watches) == 2, 60)
    assert kept.serving() == before


async def test_workers_that_die_together_are_started_again_under_a_number_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_STEADY_S", -1.0)  # they have lived for long: both come back after the same pause
    herd = Workers(2, command=[sys.executable, "-c", SERVES_AT_ONCE])
    running = asyncio.create_task(herd.run())

    def alive() -> set[int]:
        return {worker.process.pid for worker in herd._workers.values() if worker.serves.is_set()}

    await until(lambda: len(alive()) == 2, 60)
    killed = alive()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    await until(lambda: len(alive() - killed) == 2, 60)
    assert sorted(herd._workers) == [0, 1]
    herd._on_stop()
    assert await running == 0


@pytest.mark.requirement("NET-41")
async def test_a_hangup_replaces_the_workers_one_by_one(start: Start) -> None:
    herd = await start("--workers", "2")
    await until(lambda: serving(herd, 2), 60)
    before = herd.workers()
    herd.process.send_signal(signal.SIGHUP)
    await until(lambda: any("workers_replaced" in line for line in herd.lines), 60)
    after = herd.workers()
    assert len(after) == 2
    assert not before & after
    # Each began to serve before one of the old ones was told to stop.
    marks = [line for line in herd.lines if line in ("serving True", "serving False")]
    assert marks == ["serving True"] * 2 + ["serving True", "serving False"] * 2


async def test_workers_stop_when_the_first_process_is_killed(start: Start) -> None:
    herd = await start("--workers", "2")
    await until(lambda: serving(herd, 2), 60)
    herd.process.kill()
    assert await herd.ended() == -signal.SIGKILL
    assert herd.lines.count("resources closed") == 2


async def test_workers_that_cannot_start_end_the_first_process(start: Start) -> None:
    herd = await start("--workers", "2", FIREWALKER_TINY_MYSQL_URL="mysql://root@localhost/x?unix_socket=%2Fnowhere")
    assert await herd.ended() == 1
    assert any("The database is not available" in line for line in herd.lines)


async def test_a_number_of_workers_that_makes_no_sense_is_refused(start: Start) -> None:
    herd = await start("--workers", "1000")
    assert await herd.ended() == 2
    assert "Traceback" not in "".join(herd.lines)
    herd = await start("--workers", "2", FIREWALKER_TINY_PORT="0")
    assert await herd.ended() == 2
