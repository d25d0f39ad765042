"""Using the processor for so long: what tests of turns of an event loop measure."""

import time


def compute(seconds: float) -> None:
    """Use the processor for *seconds* of its time, however long that takes."""
    limit = time.thread_time() + seconds
    while time.thread_time() < limit:
        sum(range(1_000))
