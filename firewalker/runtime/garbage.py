"""Garbage collections, kept rare and short: each stops the process for as long as it has objects to look at.

Of thousands of streams that wait, and of answers under way, nearly everything is in use. CPython looks at the youngest objects
often and briefly, and under load several times a second at all that were made since it last did, which everybody waits for; at
all there is for longer still. So here only the youngest are looked at as ever, the others once a minute, and then only what was
made since: what was found in use is put aside. It is looked at again when the process has grown by so much that cycles of
garbage may be why, or after an hour. What that brings shows in the p99 of `python -m tests.bench.live`.
"""

import asyncio
import contextlib
import gc
import os
import resource
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from firewalker.runtime.tasks import begin, end

FULL_S = 60.0
"""From one collection of what was made since to the next."""

THOROUGH_S = 3_600.0
"""The same for collections of everything."""

GROWN_BYTES = 128 * 1024 * 1024
"""Grown by as much since the last one of everything, a process does not wait: closed streams may leave cycles behind."""

_LOOK_S = 1.0
_NEVER = 1_000_000


@contextlib.asynccontextmanager
async def rare_collections(size: Callable[[], int] | None = None) -> AsyncIterator[None]:
    """Collect as told above; *size* is by default the process's memory in bytes."""
    thresholds = gc.get_threshold()
    _collect()
    gc.set_threshold(thresholds[0], _NEVER, _NEVER)
    size = size or resident_bytes
    task = begin(_watch(size, size()), "garbage")
    try:
        yield
    finally:
        await end([task])
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def resident_bytes() -> int:
    """Memory of this process; where the system does not tell, the most that it ever had."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGESIZE")


async def _watch(size: Callable[[], int], thorough_size: int) -> None:
    loop = asyncio.get_running_loop()
    collected_at = thorough_at = loop.time()
    while True:
        await asyncio.sleep(_LOOK_S)
        now = loop.time()
        if now - thorough_at >= THOROUGH_S or size() - thorough_size >= GROWN_BYTES:
            gc.unfreeze()
            _collect()
            collected_at, thorough_at, thorough_size = now, now, size()
        elif now - collected_at >= FULL_S:
            _collect()
            collected_at = now


def _collect() -> None:
    """Look at everything that is not put aside, and put aside what is in use."""
    gc.collect()
    gc.freeze()
