"""Several processes of one service on one port (SO_REUSEPORT), and the process that starts, watches and replaces them.

The first process serves nothing itself. It starts the workers by the command it was started with, starts one again that
dies, passes SIGTERM on, and on SIGHUP replaces them one by one: a new one is started, and when it serves an old one
drains. What a worker does is `process.py`'s; it learns its number from an inherited socket, over which it tells that it
serves, and whose end tells it that the first process is gone.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import structlog

from firewalker.runtime.tasks import begin, end

METRICS_STEP = 10
"""The workers' metrics ports lie so far apart: between the services' own, which are neighbours."""

MOST_WORKERS = 64
"""Far more than one machine makes use of; a slip of the keyboard must not start a thousand."""

READY_LIMIT_S = 60.0
"""How long a worker may take until it serves; one that replaces another is given up then, and the other stays."""

_VARIABLE = "FIREWALKER_WORKER"
_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 10.0
_NO_ROOM = (OSError, RuntimeError)
"""How a process that cannot be made shows: asyncio's thread that waits for its end has no room either (RuntimeError)."""

_STEADY_S = 10.0
_READY = b"+"

_log = structlog.get_logger(__name__)


class WorkerLink:
    """A worker's end of the line to the first process."""

    def __init__(self, number: int, line: socket.socket) -> None:
        self.number = number
        """From 0; one that is nobody else's now."""
        self._line = line

    @classmethod
    def inherited(cls) -> Self | None:
        """What this process was started with, if it is a worker."""
        told = os.environ.pop(_VARIABLE, None)
        if told is None:
            return None
        number, _, descriptor = told.partition(":")
        line = socket.socket(fileno=int(descriptor))
        line.setblocking(False)  # noqa: FBT003 - the name says it
        os.set_inheritable(line.fileno(), False)  # noqa: FBT003 - the name says it
        return cls(int(number), line)

    def attach(self, orphaned: Callable[[], None]) -> None:
        """Call *orphaned* when the first process is gone."""
        asyncio.get_running_loop().add_reader(self._line, self._heard, orphaned)

    def ready(self) -> None:
        """Tell that this worker serves."""
        with contextlib.suppress(OSError):
            self._line.send(_READY)

    def close(self) -> None:
        """Let go of the line."""
        asyncio.get_running_loop().remove_reader(self._line)
        self._line.close()

    def _heard(self, orphaned: Callable[[], None]) -> None:
        asyncio.get_running_loop().remove_reader(self._line)
        orphaned()


@dataclass(eq=False)
class _Worker:
    """One process and what is known of it."""

    number: int
    process: asyncio.subprocess.Process
    line: socket.socket
    began: float = field(default_factory=time.monotonic)
    serves: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)


class Workers:
    """The workers of a service, kept at their number."""

    def __init__(
        self, count: int, *, command: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ
    ) -> None:
        """*command* starts one; by default what started this process."""
        self._count = count
        self._command = list(command or [sys.executable, *sys.orig_argv[1:]])
        self._environment = environment
        self._workers: dict[int, _Worker] = {}
        """Those that run, by number; for a moment one more than asked for while one is replaced."""
        self._starting = asyncio.Lock()
        self._deaths = 0
        self._ever_served = False
        self._stop = asyncio.Event()
        self._roll = asyncio.Event()
        self._hopeless: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._watches: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        """Keep the workers until a signal says stop; the exit status.

        If one ends before any has ever served, there is nothing to keep: its status then, at least 1.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop)
        loop.add_signal_handler(signal.SIGHUP, self._roll.set)
        stop = asyncio.create_task(self._stop.wait())
        roller = asyncio.create_task(self._replace_when_told())
        try:
            for _ in range(self._count):
                await self._start()
            ends: set[asyncio.Future[Any]] = {stop, roller, self._hopeless}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if roller.done():
                roller.result()
            return self._hopeless.result() if self._hopeless.done() else 0
        finally:
            self._stop.set()
            for task in (roller, stop):
                task.cancel()
            await asyncio.gather(roller, stop, return_exceptions=True)
            await self._end(*self._workers.values())
            await end(self._watches)

    def _on_stop(self) -> None:
        if self._stop.is_set():
            for worker in self._workers.values():
                worker.signal(signal.SIGKILL)
        self._stop.set()

    async def _start(self) -> _Worker:
        async with self._starting:  # one after the other: two that began at once would take the same number
            return await self._start_next()

    async def _start_next(self) -> _Worker:
        number = next(number for number in range(len(self._workers) + 1) if number not in self._workers)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003 - the name says it
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *self._command,
                    env={**self._environment, _VARIABLE: f"{number}:{theirs.fileno()}"},
                    pass_fds=[theirs.fileno()],
                    # Of its own, so that a signal to this process's group is not a second one to the worker.
                    start_new_session=True,
                )
        except BaseException:
            ours.close()
            raise
        worker = self._workers[number] = _Worker(number, process, ours)
        asyncio.get_running_loop().add_reader(ours, self._heard, worker)
        watch = begin(self._await_end(worker), name=f"worker {number}")
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        return worker

    def _heard(self, worker: _Worker) -> None:
        asyncio.get_running_loop().remove_reader(worker.line)
        with contextlib.suppress(OSError):
            if worker.line.recv(1) == _READY:
                self._ever_served = True
                worker.serves.set()

    @property
    def _complete(self) -> bool:
        """Whether there is none to start: enough run, or this process stops."""
        return self._stop.is_set() or len(self._workers) >= self._count

    async def _await_end(self, worker: _Worker) -> None:
        """Start another in its place, unless it was to end or there is one."""
        status = await worker.process.wait()
        asyncio.get_running_loop().remove_reader(worker.line)
        worker.line.close()
        del self._workers[worker.number]
        worker.over.set()
        if self._complete:
            return
        if not self._ever_served:
            if not self._hopeless.done():
                self._hopeless.set_result(max(1, status))
            return
        self._deaths = 1 if time.monotonic() - worker.began > _STEADY_S else self._deaths + 1
        _log.error("worker_died", worker=worker.number, pid=worker.process.pid, status=status, again_in_s=self._delay_s)
        await self._pause()
        while not await self._completed():
            await self._pause()

    @property
    def _delay_s(self) -> float:
        return min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** min(self._deaths - 1, 10))

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._delay_s):
                await self._stop.wait()

    async def _completed(self) -> bool:
        """Start one if one is missing; false if the system has no room for a process now."""
        async with self._starting:
            if self._complete:
                return True
            try:
                await self._start_next()
            except _NO_ROOM as error:
                self._deaths += 1
                _log.error("worker_not_started", error=type(error).__name__, again_in_s=self._delay_s)
                return False
        return True

    async def _replace_when_told(self) -> None:
        """On SIGHUP replace the workers one by one. One that does not come to serve ends it: the old ones stay."""
        while True:
            await self._roll.wait()
            self._roll.clear()
            for old in list(self._workers.values()):
                if not old.over.is_set() and not await self._replace(old):
                    break
            else:
                _log.info("workers_replaced")

    async def _replace(self, old: _Worker) -> bool:
        """Whether another serves now and *old*, in whose place it does, has ended; else *old* stays."""
        try:
            new = await self._start()
        except _NO_ROOM as error:
            _log.error("replacement_failed", worker=old.number, error=type(error).__name__)
            return False
        if not await _any_of(new.serves, new.over, within_s=READY_LIMIT_S) or not new.serves.is_set():
            _log.error("replacement_failed", worker=new.number, pid=new.process.pid)
            await self._end(new)
            return False
        await self._end(old)
        _log.info("worker_replaced", worker=old.number, by=new.number)
        return True

    async def _end(self, *workers: _Worker) -> None:
        """Let workers drain and end. They limit the time themselves."""
        for worker in workers:
            worker.signal(signal.SIGTERM)
        for worker in workers:
            await worker.over.wait()


async def _any_of(*events: asyncio.Event, within_s: float) -> bool:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    done, _ = await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    return bool(done)
