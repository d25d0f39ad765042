"""Starts programs in the order of their needs, restarts what dies, stops everything in reverse. What they are is the plan's.

One supervisor belongs to one event loop on the main thread (the children of a thread end with it, see `children`).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterable
from typing import Any

from firewalker.local.children import signal_group
from firewalker.local.problems import CannotStartError
from firewalker.local.unit import Program, Say, Unit

FIRST_DELAY_S = 0.2
"""Wait before the first restart; doubled for each further death in a row."""

LONGEST_DELAY_S = 10.0

STEADY_S = 10.0
"""A program that was ready for this long starts its next row of restarts from the first delay."""

MOST_FAILED_STARTS = 5
"""After this many deaths before it was ever ready a program is given up: it would never start."""

LAST_LINES = 20


class Supervisor:
    """Keeps a set of programs running.

    Every line of a child, and what happens to it, goes to *say* under the child's name.
    """

    def __init__(self, programs: Iterable[Program], say: Say) -> None:
        self._units = {program.name: Unit(program, say) for program in programs}
        for unit in self._units.values():
            if missing := [need for need in unit.program.needs if need not in self._units]:
                message = f"{unit.program.name} needs {', '.join(missing)}, which is not among the programs."
                raise ValueError(message)
        self._say = say
        self._stopping = asyncio.Event()
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self.given_up: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done with the text for people when a program cannot be started; the others keep running."""

    @property
    def names(self) -> tuple[str, ...]:
        """The programs, in the order given."""
        return tuple(self._units)

    def start_all(self) -> None:
        """Begin to start everything and return at once; see `wait_ready`."""
        for name, unit in self._units.items():
            unit.wanted.set()
            keeper = asyncio.create_task(self._keep(unit), name=f"keep {name}")
            keeper.add_done_callback(self._note_defect)
            self._keepers[name] = keeper

    async def wait_ready(self, *names: str, within_s: float = 60) -> None:
        """Return when all of *names* (all programs if none is named) are ready.

        Raises:
            CannotStartError: One of the programs was given up, or they were not ready in time.
        """
        waits = [asyncio.ensure_future(self._units[name].ready.wait()) for name in names or self.names]
        everything = asyncio.gather(*waits)
        events: set[asyncio.Future[Any]] = {everything, self.given_up}
        try:
            await asyncio.wait(events, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            if everything.done():
                return
            if self.given_up.done():
                raise CannotStartError(self.given_up.result())
            late = [name for name in names or self.names if not self._units[name].ready.is_set()]
            said = "\n".join(f"{name} | {line}" for name in late for line in self.lines(name)[-LAST_LINES:])
            message = f"Not ready within {within_s:.0f} s: {', '.join(late)}. Their last lines:\n{said}"
            raise CannotStartError(message)
        finally:
            everything.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await everything

    def is_ready(self, name: str) -> bool:
        """Whether *name* has answered its probe since its last start."""
        return self._units[name].ready.is_set()

    def pid(self, name: str) -> int:
        """The process id of *name*.

        Raises:
            CannotStartError: It is not running now.
        """
        process = self._units[name].process
        if process is None:
            message = f"{name} is not running."
            raise CannotStartError(message)
        return process.pid

    def starts(self, name: str) -> int:
        """How often *name* was started."""
        return self._units[name].starts

    def lines(self, name: str) -> list[str]:
        """The last 5 000 lines that *name* wrote, and what happened to it, oldest first."""
        return list(self._units[name].lines)

    def signal(self, name: str, number: int) -> None:
        """Send signal *number* to *name* and its process group; for tests that let it hang (SIGSTOP, SIGCONT)."""
        signal_group(self.pid(name), number)

    async def kill(self, name: str, *, stay_down: bool = False) -> None:
        """Kill -9 *name* and return when it is gone; unless *stay_down* it is restarted, see `wait_ready`."""
        await self._units[name].end(signal.SIGKILL, stay_down=stay_down)

    async def halt(self, name: str) -> None:
        """Stop *name* in order and keep it down until `revive`."""
        await self._units[name].end(signal.SIGTERM, stay_down=True)

    def revive(self, name: str) -> None:
        """Let *name* run again after `halt` or ``kill(stay_down=True)``; returns at once, see `wait_ready`."""
        self._units[name].wanted.set()

    def begin_stop(self) -> None:
        """Start nothing any more; what ends from now on is no trouble worth a word. `stop` has still to follow."""
        self._stopping.set()
        for unit in self._units.values():
            unit.wanted.clear()

    async def stop(self) -> None:
        """Stop everything, each program after those that need it; returns when all are gone."""
        self.begin_stop()
        stops: dict[str, asyncio.Task[None]] = {}

        async def stop_one(unit: Unit) -> None:
            users = [name for name, other in self._units.items() if unit.program.name in other.program.needs]
            await asyncio.gather(*(stops[name] for name in users))
            await unit.end(signal.SIGTERM, stay_down=True)

        for unit in self._units.values():
            stops[unit.program.name] = asyncio.create_task(stop_one(unit))
        await asyncio.gather(*stops.values())
        for keeper in self._keepers.values():
            keeper.cancel()
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)

    def kill_everything(self) -> None:
        """Kill -9 every child now; a `stop` under way then ends at once."""
        self._stopping.set()
        for unit in self._units.values():
            unit.doomed = True
            if unit.process is not None:
                signal_group(unit.process.pid, signal.SIGKILL)

    async def _keep(self, unit: Unit) -> None:
        """Run one program for as long as it is wanted."""
        program = unit.program
        for need in program.needs:
            await self._units[need].ready.wait()
        while not self._stopping.is_set():
            await unit.wanted.wait()
            status = await unit.run()
            if program.once and status == 0:
                unit.mark_ready()
                return
            if self._stopping.is_set() or not unit.wanted.is_set():
                continue
            steady = unit.ready_since and time.monotonic() - unit.ready_since > STEADY_S
            unit.deaths = 1 if steady else unit.deaths + 1
            unit.ready_since = 0
            final = status in program.final
            if not unit.was_ready and (final or unit.deaths >= MOST_FAILED_STARTS):
                self._give_up(unit, _ending(status) if final else f"{MOST_FAILED_STARTS} starts failed")
                return
            if program.hushed:
                for line in list(unit.lines)[-LAST_LINES:]:
                    self._say(program.name, line)
            unit.tell(f"{_ending(status)}; starts again in {_delay_s(unit.deaths):.1f} s")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_delay_s(unit.deaths)):
                    await self._stopping.wait()

    def _give_up(self, unit: Unit, why: str) -> None:
        said = "\n".join(f"{unit.program.name} | {line}" for line in self.lines(unit.program.name)[-LAST_LINES:])
        if not self.given_up.done():
            hint = f" {unit.program.hint}" if unit.program.hint else ""
            self.given_up.set_result(f"{unit.program.name} cannot be started ({why}).{hint} Its last lines:\n{said}")

    def _note_defect(self, keeper: asyncio.Task[None]) -> None:
        """A defect in this module must not look like a program that is merely slow."""
        if not keeper.cancelled() and (defect := keeper.exception()) is not None and not self.given_up.done():
            self.given_up.set_result(f"The supervisor itself failed at {keeper.get_name()!r}: {defect!r}")


def _delay_s(deaths: int) -> float:
    return min(FIRST_DELAY_S * 2.0 ** min(deaths - 1, 20), LONGEST_DELAY_S)


def _ending(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    with contextlib.suppress(ValueError):
        return f"ended by {signal.Signals(-status).name}"
    return f"ended by signal {-status}"
