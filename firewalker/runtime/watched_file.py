"""A file that is read again whenever it changes: keys are replaced without a restart."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from firewalker.runtime.tasks import begin, end

LOOK_S = 1.0
"""How often it is looked whether the file is another one."""

_log = structlog.get_logger(__name__)


class WatchedFile:
    """Calls *load* with *path* when the file there is replaced. A part of a process; the first reading is the caller's."""

    def __init__(self, path: Path, load: Callable[[Path], None]) -> None:
        """What *load* raises is logged by its class, and what was read before stays in use."""
        self._path = path
        self._load = load
        self._seen = _state(path)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look."""
        self._task = begin(self._run(), f"watch of {self._path.name}")

    async def stop(self) -> None:
        """Look no more."""
        await end([self._task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            found = _state(self._path)
            if found is None or found == self._seen:
                continue
            try:
                self._load(self._path)
            except Exception as error:  # noqa: BLE001 - named by class: texts hold keys
                _log.error("file not taken over", file=self._path.name, error=type(error).__name__)
            else:
                _log.info("file taken over", file=self._path.name)
            self._seen = found


def _state(path: Path) -> tuple[int, int, int] | None:
    """What differs when the file is written or replaced; None while there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
