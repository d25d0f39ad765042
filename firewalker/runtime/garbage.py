"""Full garbage collections, kept rare: each stops the process for as long as it has objects to look at.

With 3 000 open streams that is 250 ms, and Python looks again whenever a quarter more objects have grown old, which under
load is every second or so: it was most of what the slowest percent of acknowledgements waited for. Young garbage is collected
as ever; it is a few milliseconds. Measured by `python -m tests.bench.live`.
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
"""From one full collection to the next: the pauses stay below half a percent of the time."""

GROWN_BYTES = 128 * 1024 * 1024
"""Grown by as much since the last one, a process does not wait: closed streams may leave cycles behind."""

_LOOK_S = 1.0
_NEVER = 1_000_000


@contextlib.asynccontextmanager
async def rare_collections(size: Callable[[], int] | None = None) -> AsyncIterator[None]:
    """Collect in full only once a minute, or when *size*, by default the process's memory in bytes, has grown a lot.

    What is there when it begins, modules above all, is not looked at any more.
    """
    young, middle, old = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(young, middle, _NEVER)
    size = size or resident_bytes
    task = begin(_collect(size, size()), "garbage")
    try:
        yield
    finally:
        await end([task])
        gc.set_threshold(young, middle, old)
        gc.unfreeze()


def resident_bytes() -> int:
    """Memory of this process; where the system does not tell, the most that it ever had."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGESIZE")


async def _collect(size: Callable[[], int], collected_size: int) -> None:
    loop = asyncio.get_running_loop()
    collected_at = loop.time()
    while True:
        await asyncio.sleep(_LOOK_S)
        if loop.time() - collected_at >= FULL_S or size() - collected_size >= GROWN_BYTES:
            gc.collect()
            collected_at, collected_size = loop.time(), size()
