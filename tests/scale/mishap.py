"""What `on_ground` does once it may: starts the ground under the tests, and has something go wrong there in the middle."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.scale.grounds import GROUNDS, MYSQL, Ground
from tests.scale.left_out import LEFT_OUT
from tests.support.databases import STARTED_BY

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path


NOTHING = "nothing happened in a process: it had too few tests"


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(OnGround(config), "on ground")


def stands(item: pytest.Item, server: str, other: str) -> bool:
    """Whether a test uses what the ground has several of: the URL called *server*, a backend, or servers it makes URLs of.

    Others use no server, one of their own, or the *other* one alone: they are the same everywhere, and left to `make test`.
    """
    asks = set(getattr(item, "fixturenames", ()))
    return bool(asks & {server, "backend"}) or ("servers" in asks and other not in asks)


class OnGround:
    """What one process of the run does."""

    def __init__(self, config: pytest.Config) -> None:
        self._name: str = config.getoption("ground")
        self._asks = ("mysql_url", "redis_url") if self._name in MYSQL else ("redis_url", "mysql_url")
        self._ground: Ground | None = None
        self._left = 0
        """Tests to come before the mishap."""
        self._mishap: threading.Thread | None = None
        self._meanwhile: list[str] = []
        self._told: list[str] = []
        self._lacking: list[str] = []
        """What each process's ground was not used for; empty words for nothing."""
        self._whole: bool = config.getoption("whole")
        self._problem: Exception | None = None
        config.stash[STARTED_BY] = self._start

    @contextmanager
    def _start(self, folder: Path) -> Iterator[Ground]:
        with GROUNDS[self._name](folder) as self._ground:
            yield self._ground
            if self._mishap is not None:
                self._mishap.join()
            self._lacking.append(self._ground.lacking())
            if self._problem is not None:
                raise self._problem

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what means nothing here.

        Raises:
            pytest.UsageError: There is no such test.
        """
        out, files = LEFT_OUT[self._name], {item.nodeid.partition("::")[0] for item in items}
        for name in out:
            if name.partition("::")[0] in files and not any(item.nodeid.startswith(name) for item in items):
                raise pytest.UsageError(f"tests/scale/left_out.py names {name}, which there is not")
        here = [item for item in items if stands(item, *self._asks)]
        kept = [item for item in here if not any(item.nodeid.startswith(name) for name in out)]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept
        workers = getattr(config, "workerinput", {}).get("workercount", 1)
        # A quarter of what a process runs on average: one whose tests take long runs half of that, and the middle is to come.
        self._left = len(items) // (4 * workers)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Begin the mishap in the middle of the run, and tell which tests ran while it lasted."""
        self._left -= 1
        if self._left <= 0 and self._mishap is None and self._ground is not None:
            self._mishap = threading.Thread(target=self._happen, args=(self._ground,), name="mishap")
            self._mishap.start()
            if not self._ground.under_way:
                self._mishap.join()
        result = yield
        if self._mishap is not None and (self._mishap.is_alive() or not self._meanwhile):
            self._meanwhile.append(item.nodeid)
        return result

    def _happen(self, ground: Ground) -> None:
        try:
            self._told.append(ground.mishap())
        except Exception as problem:  # noqa: BLE001 - fails the run where the ground ends
            self._problem = problem

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A worker hands on what it has to tell; a run that showed nothing fails."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["mishap"] = self._story()
            session.config.workeroutput["lacking"] = self._lacking
        elif self._whole and session.exitstatus == pytest.ExitCode.OK and self._nothing_shown():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """The process that runs no tests collects it."""
        output = getattr(node, "workeroutput", {})
        self._told += output.get("mishap", [])
        self._lacking += output.get("lacking", [])

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show it."""
        terminalreporter.section(f"in the middle, on {self._name}")
        for line in self._told if self._mishap is None else self._story():
            terminalreporter.write_line(line)
        if self._whole and (why := self._nothing_shown()):
            terminalreporter.write_line(f"So this run shows nothing: {why}.", red=True)

    def _nothing_shown(self) -> str:
        """Why the run does not show what it is for: nothing happened in one process, or no test used what there is several of."""
        if NOTHING in (self._told or self._story()):
            return NOTHING
        return (
            ""
            if "" in self._lacking
            else f"no test used {self._lacking[0]}"
            if self._lacking
            else "no test used a server"
        )

    def _story(self) -> list[str]:
        if self._mishap is None:
            return [NOTHING]
        self._mishap.join()
        return [*self._told, *(f"  meanwhile: {name}" for name in self._meanwhile)]
