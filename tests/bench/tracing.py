"""What traces cost a small call: not asked for, one in a hundred recorded, all recorded.

    python -m tests.bench.tracing [--calls 20000] [--rounds 3] [--json tracing.json]

The server and the load are those of `tests.bench.unary`; spans go to a collector in this process. CPU of the server process,
its exporting thread included, per call; rounds are interleaved, figures are medians.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from firewalker.runtime import tracing
from tests.bench import unary
from tests.support.collector import collecting

KINDS = {"off": None, "1 in 100": 0.01, "all": 1.0}


class Server(unary.Server):
    """`unary`'s server, with traces."""

    def __init__(self, share: float | None, endpoint: str) -> None:
        command = [sys.executable, "-m", "tests.bench.tracing", "--serve"]
        if share is not None:
            command += ["--share", str(share), "--endpoint", endpoint]
        self.begin("firewalker fast", command)


def measure(calls: int, rounds: int) -> dict[str, dict[str, float]]:
    """CPU in µs per call, and spans that arrived, by kind."""
    unary.pin(0, (os.cpu_count() or 1) - 1)
    figures: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with collecting() as collector:
        servers = {kind: Server(share, collector.endpoint) for kind, share in KINDS.items()}
        try:
            for server in servers.values():
                asyncio.run(unary.load(server, calls // 10))
            for _ in range(rounds):
                for kind, server in servers.items():
                    before = server.cpu_s()
                    asyncio.run(unary.load(server, calls))
                    figures[kind].append((server.cpu_s() - before) / calls * 1e6)
        finally:
            for server in servers.values():
                server.close()
        spans = len(collector.spans)
    return {kind: {"cpu_us": statistics.median(found)} for kind, found in figures.items()} | {
        "spans": {"in all": spans}
    }


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--share", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--endpoint", help=argparse.SUPPRESS)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    if arguments.serve:
        if arguments.share is not None:
            tracing.start(arguments.endpoint, service="bench", share=arguments.share)
        asyncio.run(unary.serve("firewalker fast"))
        tracing.stop()
        return
    results = measure(arguments.calls, arguments.rounds)
    table = Table("traces", "CPU µs per call", "of off", title="Authenticated unary call, no store")
    for kind in KINDS:
        cpu_us = results[kind]["cpu_us"]
        table.add_row(kind, f"{cpu_us:.0f}", f"{cpu_us / results['off']['cpu_us']:.2f}")
    Console().print(table)
    Console().print(f"{results['spans']['in all']:.0f} spans arrived")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
