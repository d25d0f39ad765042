"""Pictures of statistics: CPU, time and memory of the process that draws, as the step service runs it.

    python -m tests.bench.charts [--pictures 20] [--runs 3] [--json FILE]

Each picture has other numbers, so none is kept already; every one is checked for being of its format. Both formats take turns.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from firewalker.step.charts.lane import Pictures
from firewalker.step.domain.chart import Style, my_chart
from firewalker.step.domain.goal import Goals
from firewalker.step.domain.period import Period, span_of
from firewalker.step.domain.stats import by_date, summary
from tests.bench.leaderboard import rss_kib, show
from tests.bench.track_steps import cpu_us

MONTH = span_of(Period.MONTH, date(2026, 5, 1))
"""31 bars."""

BEGINS = {"svg": b"<?xml", "png": b"\x89PNG"}


async def draw(pictures: Pictures, format_: str) -> int:
    """Draw a month that nobody has walked before; its bytes."""
    totals = {day: random.randrange(2_000, 20_000) for day in MONTH.dates()}
    series = by_date(MONTH, totals, Goals(((MONTH.first, 10_000),)))
    chart = my_chart(Style(format_), Period.MONTH, MONTH, series, summary(MONTH, totals))
    picture = await pictures.draw(chart)
    assert picture.startswith(BEGINS[format_])
    return len(picture)


async def measure(options: argparse.Namespace) -> list[dict[str, object]]:
    """The lines of the table: the first picture, with the process that draws it, then those that follow."""
    first_ms: list[float] = []
    memory: list[float] = []
    figures: dict[str, list[tuple[float, float, float]]] = {"svg": [], "png": []}
    for _ in range(options.runs):
        pictures = Pictures(time.monotonic)
        await pictures.start()
        try:
            begin = time.monotonic()
            await draw(pictures, "svg")
            first_ms.append((time.monotonic() - begin) * 1000)
            worker = children()[-1]
            await draw(pictures, "png")
            for format_, found in figures.items():
                before, begin = cpu_us(worker), time.monotonic()
                sizes = [await draw(pictures, format_) for _ in range(options.pictures)]
                took, used = time.monotonic() - begin, cpu_us(worker) - before
                count = options.pictures
                found.append((used / count / 1000, took / count * 1000, statistics.mean(sizes) / 1024))
            memory.append(rss_kib(worker) / 1024)
        finally:
            await pictures.stop()
    start = {"what": "first, with its process", "cpu_ms": "", "ms": round(statistics.median(first_ms)), "kib": ""}
    rows = [{**start, "process_mib": round(max(memory))}]
    for format_, found in figures.items():
        cpu, took, size = (round(statistics.median(column), 1) for column in zip(*found, strict=True))
        rows.append({"what": f"{format_} of 31 bars", "cpu_ms": cpu, "ms": took, "kib": size, "process_mib": ""})
    return rows


def children() -> Sequence[int]:
    """The processes that this one has started, the latest last."""
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", default="")
    chosen = parser.parse_args()
    measured = asyncio.run(measure(chosen))
    show(measured)
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(measured, indent=2) + "\n")
