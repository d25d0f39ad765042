"""Background tasks: none dies unheard, and each can be ended for certain."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from firewalker.kernel.faults import Fault

_AGAIN_S = 0.1

_log = structlog.get_logger(__name__)
_told: set[Callable[[str], None]] = set()


def begin(work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
    """Run *work*, which never ends by itself, in the background. An error of it is logged and told to `on_death`."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_look)
    return task


@contextmanager
def going_on(work: str) -> Iterator[None]:
    """Around one turn of *work* that is repeated: whatever it raises is logged and ends that turn alone.

    A fault by its reason: MySQL's troubles are shorter than a process's life. Anything else whole. The loop has to pause
    behind a turn that failed.
    """
    try:
        yield
    except Fault as fault:
        _log.warning("work_put_off", work=work, reason=fault.reason)
    except Exception:  # noqa: BLE001 - logged whole
        _log.exception("work_failed", work=work)


def on_death(callback: Callable[[str], None]) -> Callable[[], None]:
    """Have *callback* called with the name of every task of `begin` that ends by an error. Returns what undoes it.

    A process without one of its background tasks only seems to work: it should end, and be started anew.
    """
    _told.add(callback)
    return lambda: _told.discard(callback)


async def end(tasks: Iterable["asyncio.Task[Any] | None"]) -> None:
    """Cancel *tasks* and return when all of them are over, however they ended.

    A single `cancel` is not enough on Python 3.11: what waits in `asyncio.wait_for`, as redis-py does, may swallow it.
    """
    running = {task for task in tasks if task is not None and not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_AGAIN_S)


def _look(task: "asyncio.Task[None]") -> None:
    if task.cancelled() or (error := task.exception()) is None:
        return
    _log.error("background_task_died", task=task.get_name(), exc_info=error)
    for callback in list(_told):
        callback(task.get_name())
