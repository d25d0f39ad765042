"""All benchmarks, one table, and a file of figures: what `make bench` runs.

    python -m tests.bench [--quick] [unary] [track_steps] [leaderboard] [stats] [charts] [live] [freezing] [peers] [pushes] [accounts] [ten_million]

Every benchmark is a program of its own, which measures a bare grpc.aio echo in the same run: on a shared machine only
ratios within one run mean much. The figures of a run are kept in `.local/bench/`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from firewalker.local.layout import Layout

PACKAGES = ("grpclib", "grpcio", "h2", "protobuf", "betterproto2", "aiomysql", "redis")

LIMIT_S = 900


@dataclass(frozen=True)
class Row:
    """One line of the table: server CPU per unit of work."""

    case: str
    cpu_us: float
    per_second: float | None = None
    ratio: float | None = None
    """To the bare echo of the same run."""
    target: str = ""


@dataclass(frozen=True)
class Benchmark:
    """A program, how to keep it short, and how to read its figures."""

    quick: tuple[str, ...]
    rows: Callable[[Any], Iterator[Row]]


def unary(figures: dict[str, dict[str, float]]) -> Iterator[Row]:
    echo = figures["grpc.aio echo"]["cpu_us"]
    for server, figure in figures.items():
        target = "120 µs, 0.6 of echo" if server == "firewalker fast" else ""
        yield Row(f"call, {server}", figure["cpu_us"], figure["calls_per_s"], figure["cpu_us"] / echo, target)


def transcoder(figures: dict[str, Any]) -> Iterator[Row]:
    found = figures["uvicorn"]
    for name, what in (("GET", "request, one path variable"), ("POST", "request, 6 fields each way")):
        yield Row(what, found[name]["cpu_us"], found[name]["per_second"], target="450 µs")
    of = found["listeners"]
    what = f"message to one of {of['listeners']} SSE listeners, {of['kib']:.0f} KiB each"
    yield Row(what, of["cpu_us"], of["messages_per_second"])


def track_steps(figures: dict[str, Any]) -> Iterator[Row]:
    for figure in figures["full"]:
        yield Row(
            f"reading, {figure['readings_a_message']:.0f} a message",
            figure["cpu_us_per_reading"],
            figure["readings_per_second"],
            figure["ratio_to_echo"],
            f"{figure['target_us']:g} µs",
        )
    paced = figures["paced"]
    yield Row(
        f"reading at a steady pace, ack p99 {paced['p99_ms']:.0f} ms",
        paced["cpu_us_per_reading"],
        paced["readings_per_second"],
        target=f"p99 {paced['target_p99_ms']:g} ms",
    )


def leaderboard(figures: list[dict[str, Any]]) -> Iterator[Row]:
    for figure in figures:
        what, _, friends = figure["what"].partition(" ")
        target = f"{figure['target_us']} µs" if figure["target_us"] else ""
        push = "push to a watcher" + (", less what is used idle" if what == "net_push" else "")
        case = f"board of {friends} friends" if friends else push
        yield Row(case, figure["cpu_us"], figure["per_second"] or None, figure["ratio"] or None, target)


def stats(figures: list[dict[str, Any]]) -> Iterator[Row]:
    for figure in figures:
        yield Row(f"statistics, {figure['what']}", figure["cpu_us"], target=f"{figure['target_us']} µs")


def charts(figures: list[dict[str, Any]]) -> Iterator[Row]:
    first, *others = figures
    for figure in others:
        yield Row(
            f"picture, {figure['what']}, {figure['kib']:.0f} KiB; the first after {first['ms']} ms, "
            f"in a process of {first['process_mib']} MiB",
            figure["cpu_ms"] * 1000,
            1000 / figure["ms"],
        )


def peers(figures: list[dict[str, Any]]) -> Iterator[Row]:
    ours = next(figure["cpu_us"] for figure in figures if figure["server"] == "firewalker, 10 a message")
    for figure in figures:
        target = f"{figure['target_times']} times ours" if "target_times" in figure else ""
        times = f", {figure['cpu_us'] / ours:.0f} times ours" if target else ""
        yield Row(f"durable reading, {figure['server']}{times}", figure["cpu_us"], target=target)


def live(figures: list[dict[str, Any]]) -> Iterator[Row]:
    for figure in figures:
        rate = figure["readings_per_second"]
        times = f"ack p99 {figure['ack_p99_ms']:.0f} ms, shown p50 {figure['fresh_p50_ms']:.0f}, p99 {figure['fresh_p99_ms']:.0f} ms"
        yield Row(
            f"reading, with watchers of {figure['boards']} boards: {times}",
            figure["server_core_percent"] * 10_000 / rate,
            rate,
            target="p99 50 ms; 300, 1 200 ms",
        )


def freezing(figures: dict[str, Any]) -> Iterator[Row]:
    found = figures["alone"]
    yield Row(
        f"board frozen; longest turn {found['longest_turn_ms']:.0f} ms", found["cpu_us"], found["boards_per_second"]
    )
    for figure in figures["beside"]:
        what = f"while {figure['boards_per_second']} boards a second freeze" if figure["freezing"] else "in quiet"
        yield Row(
            f"reading {what}: ack p99 {figure['ack_p99_ms']:.0f} ms, shown p99 {figure['fresh_p99_ms']:.0f} ms",
            figure["server_core_percent"] * 10_000 / figure["readings_per_second"],
            figure["readings_per_second"],
        )


def pushes(figures: list[dict[str, Any]]) -> Iterator[Row]:
    for figure in figures:
        yield Row(f"push, {figure['what']}", figure["cpu_us"], figure["per_second"])


def accounts(figures: dict[str, Any]) -> Iterator[Row]:
    check = figures["check"]
    for what, cost in check["us"].items():
        yield Row(
            f"check of a session, {what}, among {check['known']:,} ended", cost, target=f"{check['target_us']:g} µs"
        )
    # Passwords are hashed on one core less than there are; whatever else it takes is little beside that.
    rate, rush = figures["login"]["per_second"], figures["storm"]
    yield Row("sign-in, time on one core", 1e6 / rate, rate)
    times = f"p99 {rush['calm_p99_ms']:.1f} ms; while {rush['clients']} sign in, {rush['storm_p99_ms']:.1f} ms"
    yield Row(f"read of a board: {times}", rush["storm_p50_ms"] * 1000, target="p99 2 times that")


def ten_million(figures: dict[str, Any]) -> Iterator[Row]:
    users = figures["users"]
    yield Row(f"message, of {users:,} walkers at their peak", figures["message_us"], figures["messages_per_second"])
    for what, users_of in figures["limits"].items():
        yield Row(f"… {what}: full with {users_of:,} walkers", figures["unit_us"][what], figures["per_second"][what])


BENCHMARKS = {
    "unary": Benchmark(("--calls", "4000", "--rounds", "1"), unary),
    "transcoder": Benchmark(("--requests", "800", "--listeners", "200", "--seconds", "2"), transcoder),
    "track_steps": Benchmark(("--seconds", "1", "--runs", "1"), track_steps),
    "leaderboard": Benchmark(("--seconds", "1", "--runs", "1", "--watchers", "100"), leaderboard),
    "stats": Benchmark(("--calls", "100", "--runs", "1"), stats),
    "charts": Benchmark(("--pictures", "3", "--runs", "1"), charts),
    "live": Benchmark(("--seconds", "4", "--walkers", "200", "--watchers", "100"), live),
    "freezing": Benchmark(("--walkers", "500", "--beside", "2000", "--seconds", "2", "--rounds", "1"), freezing),
    "peers": Benchmark(("--seconds", "1", "--runs", "1"), peers),
    "pushes": Benchmark(("--seconds", "1"), pushes),
    "accounts": Benchmark(("--seconds", "2", "--storm", "200"), accounts),
    "ten_million": Benchmark(("--people", "100"), ten_million),
}


def run(name: str, *, quick: bool) -> Any:
    """Run one benchmark, which prints its own table; its figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        extra = BENCHMARKS[name].quick if quick else ()
        subprocess.run(
            [sys.executable, "-m", f"tests.bench.{name}", "--json", path, *extra], check=True, timeout=LIMIT_S
        )
        return json.loads(path.read_text())


def show(figures: dict[str, Any]) -> None:
    """Print the one table."""
    table = Table(title="Server CPU per unit of work")
    for heading in ("benchmark", "unit", "CPU µs", "a second", "of grpc.aio echo", "target"):
        table.add_column(heading, justify="left" if heading in {"benchmark", "unit", "target"} else "right")
    for name, found in figures.items():
        for row in BENCHMARKS[name].rows(found):
            rate = "" if row.per_second is None else f"{row.per_second:,.0f}"
            ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
            table.add_row(name, row.case, f"{row.cpu_us:.1f}", rate, ratio, row.target)
        table.add_section()
    # Wide enough for the table where there is no terminal to ask.
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def keep(figures: dict[str, Any]) -> Path:
    """Write the figures with what they were measured on."""
    folder = Layout.of(os.environ).root / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    path = folder / f"{now:%Y%m%dT%H%M%SZ}.json"
    facts = {
        "time": now.isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "packages": {name: version(name) for name in PACKAGES},
    }
    path.write_text(json.dumps({"run": facts, "figures": figures}, indent=1) + "\n")
    return path


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Run the benchmarks.")
    parser.add_argument(
        "names", nargs="*", metavar="BENCHMARK", help=f"some of {', '.join(BENCHMARKS)}; all if left out"
    )
    parser.add_argument("--quick", action="store_true", help="a short run: to see that they work, not to compare")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    figures = {name: run(name, quick=chosen.quick) for name in chosen.names or BENCHMARKS}
    kept = keep(figures)
    show(figures)
    print(f"The figures are kept in {kept}")


if __name__ == "__main__":
    main()
