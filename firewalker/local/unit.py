"""One program of a supervisor: what it is, and the life of its process. Order and restarts are the supervisor's."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from firewalker.local.children import signal_group, tethered
from firewalker.local.output import split_lines
from firewalker.local.problems import CannotStartError

Say = Callable[[str, str], None]
"""Takes a program's name and a line of it."""

PROBE_LIMIT_S = 3.0
PROBE_EVERY_S = 0.05
KEPT_LINES = 5_000

SIGNAL_LAG_S = 0.1
"""How much earlier a Ctrl-C may end what prepares a start than it is noticed here: then the failure is no trouble."""

NOT_RUN = 127
"""The status that shells use for a command that could not be run."""


@dataclass(frozen=True, slots=True)
class Program:
    """One process to keep, or with *once* one command to run to its end."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    """All of it: nothing is inherited."""
    ready: Callable[[], Awaitable[bool]] | None = None
    """Whether it serves now; asked until it does. None: it is ready when it has started, or with *once* ended well."""
    needs: tuple[str, ...] = ()
    """Names of programs that have to be ready before its first start, and are stopped after it."""
    once: bool = False
    final: frozenset[int] = frozenset()
    """Exit statuses of a start that would fail the same way again: it is given up at once."""
    hint: str = ""
    """A sentence for people when it cannot be started."""
    hushed: bool = False
    """Its lines are kept but shown only when it dies: for servers that tell much of their daily life."""
    prepare: Callable[[], None] | None = None
    """Called before every start, in a thread."""
    start_within_s: float = 60
    """A program that is not ready by then is killed, which counts as a death."""
    stop_within_s: float = 20
    """How long it may take to end after SIGTERM; then it is killed."""


@dataclass(slots=True, eq=False)
class Unit:
    """A program and what happens to it."""

    program: Program
    say: Say
    process: asyncio.subprocess.Process | None = None
    spawned: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared while a start is under way and `process` not yet known."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared from the beginning of a start until its process is gone and its last lines are kept."""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    doomed: bool = False
    """Every end is a kill from now on."""
    was_ready: bool = False
    ready_since: float = 0
    starts: int = 0
    deaths: int = 0
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))

    def __post_init__(self) -> None:
        """Nothing is under way yet."""
        self.spawned.set()
        self.over.set()

    def mark_ready(self) -> None:
        """Note that it serves, or with *once* has ended well."""
        self.was_ready = True
        self.ready_since = time.monotonic()
        self.ready.set()

    async def run(self) -> int:
        """Start the program, wait until it has ended, and return its status (negative: the signal that ended it)."""
        began = time.monotonic()
        self.starts += 1
        self.spawned.clear()
        self.over.clear()
        try:
            self.process = process = await self._spawn(self.program)
        except (OSError, CannotStartError) as problem:
            await asyncio.sleep(SIGNAL_LAG_S)
            if self.wanted.is_set():  # else it was interrupted: by us, or by the Ctrl-C that reaches all of a terminal
                self.tell(str(problem))
            self.over.set()
            return NOT_RUN
        finally:
            self.spawned.set()
        pump = asyncio.create_task(self._pump(process))
        watch = asyncio.create_task(self._watch(process, began))
        try:
            return await process.wait()
        finally:
            self.ready.clear()
            watch.cancel()
            # What it started may hold the pipe open; its own last lines are there within this time.
            await asyncio.wait({pump}, timeout=1)
            pump.cancel()
            await asyncio.gather(pump, watch, return_exceptions=True)
            self.process = None
            self.over.set()

    async def _spawn(self, program: Program) -> asyncio.subprocess.Process:
        if program.prepare is not None:
            await asyncio.to_thread(program.prepare)
            if not self.wanted.is_set():
                message = f"{program.name} is not to be started any more."
                raise CannotStartError(message)
        return await asyncio.create_subprocess_exec(
            *tethered(program.command),
            env=dict(program.environment),
            start_new_session=True,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def _pump(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is not None:
            async for line in split_lines(process.stdout):
                self.lines.append(line)
                if not self.program.hushed:
                    self.say(self.program.name, line)

    async def _watch(self, process: asyncio.subprocess.Process, began: float) -> None:
        """Mark the unit ready when it is, or kill it when that takes too long."""
        program = self.program
        if program.once:
            return
        while program.ready is not None and not await _probe(program.ready):
            if time.monotonic() - began > program.start_within_s:
                self.tell(f"not ready within {program.start_within_s:.0f} s: killed")
                signal_group(process.pid, signal.SIGKILL)
                return
            await asyncio.sleep(PROBE_EVERY_S)
        if process.returncode is None and self.process is process and self.wanted.is_set():
            self.mark_ready()
            self.tell(f"ready after {time.monotonic() - began:.1f} s (pid {process.pid})")

    async def end(self, number: int, *, stay_down: bool) -> None:
        """End the process with signal *number*, by force if it takes too long; return when it is gone."""
        if stay_down:
            self.wanted.clear()
        await self.spawned.wait()  # a start under way is let happen, so that there is something to end
        process = self.process
        if process is None:
            return
        self.ready.clear()
        signal_group(process.pid, signal.SIGKILL if self.doomed else number)
        signal_group(process.pid, signal.SIGCONT)  # a paused process ends too
        gone = asyncio.ensure_future(process.wait())
        await asyncio.wait({gone}, timeout=self.program.stop_within_s)
        if not gone.done():
            self.tell(f"did not stop within {self.program.stop_within_s:.0f} s: killed")
            signal_group(process.pid, signal.SIGKILL)
        await gone
        await self.over.wait()

    def tell(self, line: str) -> None:
        """Keep and show something that happened to a program."""
        self.lines.append(line)
        self.say(self.program.name, line)


async def _probe(ready: Callable[[], Awaitable[bool]]) -> bool:
    try:
        async with asyncio.timeout(PROBE_LIMIT_S):
            return await ready()
    except TimeoutError:
        return False
