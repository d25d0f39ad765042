"""Programs start when their needs are ready, come back when they die, and stop in reverse. Children are real processes."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from firewalker.local.problems import CannotStartError
from firewalker.local.supervisor import MOST_FAILED_STARTS, Supervisor
from firewalker.local.unit import Program, _probe
from tests.support.waiting import until

SERVES = "import pathlib, signal, sys; pathlib.Path(sys.argv[1]).touch(); print('serving'); signal.pause()"
STOPS_LAST_WORDS = """
import pathlib, signal, sys
def end(*_):
    print("ending", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[1]).touch()
while True:
    signal.pause()
"""
IGNORES_SIGTERM = "import pathlib, signal, sys; signal.signal(15, signal.SIG_IGN); pathlib.Path(sys.argv[1]).touch()\nwhile 1: signal.pause()"

Said = list[tuple[str, str]]


@asynccontextmanager
async def supervised(*programs: Program) -> AsyncIterator[tuple[Supervisor, Said]]:
    said: Said = []
    supervisor = Supervisor(programs, lambda name, line: said.append((name, line)))
    supervisor.start_all()
    try:
        yield supervisor, said
    finally:
        supervisor.kill_everything()
        await supervisor.stop()


def python(code: str, *arguments: object) -> list[str]:
    return [sys.executable, "-I", "-S", "-u", "-c", code, *map(str, arguments)]


async def exists(path: Path) -> bool:
    return path.exists()  # noqa: ASYNC240 - at once, on a local disk


def server(folder: Path, name: str, *needs: str, code: str = SERVES, stop_within_s: float = 10) -> Program:
    mark = folder / name
    return Program(
        name,
        python(code, mark),
        dict(os.environ),
        partial(exists, mark),
        needs,
        prepare=lambda: mark.unlink(missing_ok=True),
        stop_within_s=stop_within_s,
    )


def once(name: str, code: str, *needs: str) -> Program:
    return Program(name, python(code), dict(os.environ), needs=needs, once=True)


def index(said: Said, name: str, beginning: str) -> int:
    return next(i for i, (who, line) in enumerate(said) if who == name and line.startswith(beginning))


async def test_a_program_starts_only_when_what_it_needs_is_ready(tmp_path: Path) -> None:
    made = once("migrate", "print('migrated')", "database")
    async with supervised(server(tmp_path, "service", "migrate"), made, server(tmp_path, "database")) as (
        supervisor,
        said,
    ):
        await supervisor.wait_ready()
    assert index(said, "database", "ready") < index(said, "migrate", "migrated") < index(said, "service", "serving")


async def test_everything_stops_after_what_needs_it(tmp_path: Path) -> None:
    programs = [
        server(tmp_path, "database", code=STOPS_LAST_WORDS),
        server(tmp_path, "service", "database", code=STOPS_LAST_WORDS),
        server(tmp_path, "transcoder", "service", code=STOPS_LAST_WORDS),
    ]
    async with supervised(*programs) as (supervisor, said):
        await supervisor.wait_ready()
        await supervisor.stop()
    assert [who for who, line in said if line == "ending"] == ["transcoder", "service", "database"]


async def test_a_killed_program_comes_back_and_only_that_one(tmp_path: Path) -> None:
    async with supervised(server(tmp_path, "a"), server(tmp_path, "b", "a")) as (supervisor, _):
        await supervisor.wait_ready()
        before = supervisor.pid("a"), supervisor.pid("b")
        await supervisor.kill("a")
        assert not supervisor.is_ready("a")
        await supervisor.wait_ready("a")
        assert supervisor.pid("a") != before[0]
        assert supervisor.pid("b") == before[1]
        assert supervisor.starts("a") == 2


async def test_a_program_that_dies_by_itself_comes_back(tmp_path: Path) -> None:
    async with supervised(server(tmp_path, "a")) as (supervisor, said):
        await supervisor.wait_ready()
        os.kill(supervisor.pid("a"), signal.SIGSEGV)
        await until(lambda: supervisor.starts("a") == 2)
        await supervisor.wait_ready("a")
    assert any(line.startswith("ended by SIGSEGV; starts again in 0.2 s") for _, line in said)


async def test_a_halted_program_stays_down_until_it_is_revived(tmp_path: Path) -> None:
    async with supervised(server(tmp_path, "a")) as (supervisor, _):
        await supervisor.wait_ready()
        await supervisor.halt("a")
        with pytest.raises(CannotStartError, match="a is not running"):
            supervisor.pid("a")
        supervisor.revive("a")
        await supervisor.wait_ready("a")
        await supervisor.kill("a", stay_down=True)
        assert supervisor.starts("a") == 2
        supervisor.revive("a")
        await supervisor.wait_ready("a")


async def test_what_can_never_start_is_given_up_with_its_last_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firewalker.local.supervisor.FIRST_DELAY_S", 0.001)
    broken = Program("broken", python("raise SystemExit('the key file is missing')"), dict(os.environ))
    never = Program("never", python("raise SystemExit(3)"), dict(os.environ), needs=("broken",))
    broken = Program(broken.name, broken.command, broken.environment, partial(exists, Path("/nonexistent")))
    async with supervised(broken, never) as (supervisor, _):
        with pytest.raises(CannotStartError, match=r"(?s)broken cannot be started.*broken \| the key file is missing"):
            await supervisor.wait_ready()
        assert supervisor.starts("broken") == MOST_FAILED_STARTS
        assert supervisor.starts("never") == 0


@pytest.mark.parametrize("turns", range(4))
async def test_a_probe_that_answers_just_as_it_is_ended_ends(turns: int) -> None:
    # Else the watch over a program that has died goes on, and the next start waits for it.
    answers = asyncio.Event()

    async def ready() -> bool:
        return await answers.wait()

    probe = asyncio.create_task(_probe(ready))
    await asyncio.sleep(0.01)
    answers.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    if probe.cancel():
        await asyncio.wait({probe})
        assert probe.cancelled()


async def test_a_program_once_ready_is_never_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firewalker.local.supervisor.FIRST_DELAY_S", 0.001)
    async with supervised(server(tmp_path, "a")) as (supervisor, _):
        for _ in range(MOST_FAILED_STARTS + 1):
            await supervisor.wait_ready("a")
            await supervisor.kill("a")
        await supervisor.wait_ready("a")
        assert not supervisor.given_up.done()


async def test_a_program_that_cannot_be_run_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firewalker.local.supervisor.FIRST_DELAY_S", 0.001)
    async with supervised(Program("ghost", ["/nonexistent/program"], {}, partial(exists, Path("/nonexistent")))) as (
        s,
        _,
    ):
        assert "/nonexistent/program" in await asyncio.wait_for(asyncio.shield(s.given_up), 60)


async def test_a_program_that_is_not_ready_in_time_is_killed_and_started_again(tmp_path: Path) -> None:
    mark = tmp_path / "never"
    slow = Program("slow", python(SERVES, tmp_path / "x"), dict(os.environ), partial(exists, mark), start_within_s=0.05)
    async with supervised(slow) as (supervisor, said):
        await until(lambda: supervisor.starts("slow") >= 2)
        with pytest.raises(CannotStartError, match=r"(?s)Not ready within 0 s: slow.*killed"):
            await supervisor.wait_ready(within_s=0.05)
    assert ("slow", "not ready within 0 s: killed") in said


async def test_a_program_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    stubborn = server(tmp_path, "stubborn", code=IGNORES_SIGTERM, stop_within_s=0.1)
    async with supervised(stubborn) as (supervisor, said):
        await supervisor.wait_ready()
        await supervisor.stop()
    assert ("stubborn", "did not stop within 0 s: killed") in said


async def test_killing_everything_ends_a_stop_under_way(tmp_path: Path) -> None:
    stubborn = server(tmp_path, "stubborn", code=IGNORES_SIGTERM, stop_within_s=600)
    async with supervised(stubborn) as (supervisor, _):
        await supervisor.wait_ready()
        stop = asyncio.create_task(supervisor.stop())
        await asyncio.sleep(0)
        supervisor.kill_everything()
        await asyncio.wait_for(stop, 60)


async def test_a_paused_program_is_stopped_too(tmp_path: Path) -> None:
    async with supervised(server(tmp_path, "a")) as (supervisor, _):
        await supervisor.wait_ready()
        supervisor.signal("a", signal.SIGSTOP)
        await asyncio.wait_for(supervisor.stop(), 60)


async def test_a_line_without_end_is_passed_on_in_pieces() -> None:
    talks = once(
        "talks", "import sys; sys.stdout.write('x' * 300_000 + '\\n' + chr(252)); sys.stdout.buffer.write(b'\\xff')"
    )
    async with supervised(talks) as (supervisor, _):
        await supervisor.wait_ready()
        *pieces, last = supervisor.lines("talks")
    assert sum(len(piece) for piece in pieces) == 300_000
    assert max(map(len, pieces)) <= 2 * 64 * 1024
    assert last.endswith("\N{REPLACEMENT CHARACTER}")


async def test_a_hushed_program_is_heard_only_when_it_dies(tmp_path: Path) -> None:
    mark = tmp_path / "a"
    hushed = Program("a", python(SERVES, mark), dict(os.environ), partial(exists, mark), hushed=True)
    async with supervised(hushed) as (supervisor, said):
        await supervisor.wait_ready()
        await until(lambda: "serving" in supervisor.lines("a"))
        assert ("a", "serving") not in said
        os.kill(supervisor.pid("a"), signal.SIGKILL)
        await until(lambda: ("a", "serving") in said)


async def test_a_need_that_is_no_program_is_a_defect_of_the_plan() -> None:
    with pytest.raises(ValueError, match="a needs b"):
        Supervisor([Program("a", ["true"], {}, needs=("b",))], lambda *_: None)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help exists on Linux only")
async def test_a_killed_supervisor_leaves_no_orphans(tmp_path: Path) -> None:
    program = f"""
import asyncio, functools, os, signal, sys
from firewalker.local.supervisor import Supervisor
from firewalker.local.unit import Program
async def main():
    async def ready(): return os.path.exists({str(tmp_path / "a")!r})
    program = Program("a", {python(IGNORES_SIGTERM, tmp_path / "a")!r}, dict(os.environ), ready)
    supervisor = Supervisor([program], lambda *_: None)
    supervisor.start_all()
    await supervisor.wait_ready()
    print(supervisor.pid("a"), flush=True)
    await asyncio.sleep(3600)
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=subprocess.PIPE)
    assert process.stdout is not None
    child = int(await process.stdout.readline())
    process.kill()
    await process.wait()
    await until(gone(child))


def gone(pid: int) -> Callable[[], bool]:
    def check() -> bool:
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except FileNotFoundError:
            return True
        return status.rpartition(")")[2].split()[0] == "Z"  # nobody here reaps it, but it has ended

    return check


async def test_a_refused_configuration_is_final(tmp_path: Path) -> None:
    wrong = Program(
        "wrong",
        python("raise SystemExit(2)"),
        dict(os.environ),
        partial(exists, tmp_path / "never"),
        final=frozenset({2}),
        hint="Its database is at db:3306.",
    )
    async with supervised(wrong) as (supervisor, _):
        told = await asyncio.wait_for(asyncio.shield(supervisor.given_up), 60)
        assert supervisor.starts("wrong") == 1
    assert told.startswith("wrong cannot be started (ended with status 2). Its database is at db:3306.")


async def test_what_a_stop_interrupts_is_no_alarm_and_not_started_after_it() -> None:
    begun, interrupted = threading.Event(), threading.Event()

    def prepare() -> None:
        begun.set()
        assert interrupted.wait(30)
        raise CannotStartError("could not create its data folder")

    async with supervised(Program("mysql", ["true"], {}, prepare=prepare)) as (supervisor, said):
        await until(begun.is_set)
        supervisor.begin_stop()
        interrupted.set()
        await supervisor.stop()
    assert said == []


async def test_a_program_whose_start_is_overtaken_by_the_stop_is_not_started(tmp_path: Path) -> None:
    begun, go = threading.Event(), threading.Event()

    def prepare() -> None:
        begun.set()
        assert go.wait(10)

    program = Program("late", python(SERVES, tmp_path / "late"), dict(os.environ), prepare=prepare)
    async with supervised(program) as (supervisor, said):
        await until(begun.is_set)
        supervisor.begin_stop()
        go.set()
        await supervisor.stop()
    assert (said, (tmp_path / "late").exists()) == ([], False)
