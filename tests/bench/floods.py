"""What floods cost a client that does nothing wrong: its calls in quiet times and under attack, in turn.

    python -m tests.bench.floods [--rounds 8] [--wire fast|plain] [--json floods.json]

Server and attacker are processes of their own. Each figure is that of its best round, quiet and attacked alike: others on the
machine only add. Turns are the longest that the server's event loop has worked without looking up, in CPU time. Each attack
opens one connection after the other, as each is cut off.
"""

import argparse
import asyncio
import json
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from tests.service.grpc.abuse.floods import FLOODS
from tests.service.grpc.abuse.site import Bystander, Round, attacker, p99, target

QUIET_S = 0.15
ATTACK_S = 0.3
PATIENCE_S = 1.0


async def measure(wire: str, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds and connections, by flood."""
    results = {}
    with attacker() as enemy, target(wire) as server:
        await enemy.attacks(server, "rapid reset", 0.2)
        for flood in FLOODS:
            found, cut = [], 0
            async with Bystander(server.port) as bystander:
                for _ in range(rounds):
                    quiet = await bystander.calls(QUIET_S)
                    server.longest_turn_ms()
                    attack = enemy.attacks(server, flood, ATTACK_S, PATIENCE_S)
                    story, attacked = await asyncio.gather(attack, bystander.calls(ATTACK_S))
                    found.append(Round(quiet, attacked, server.longest_turn_ms()))
                    cut += story.cut
            results[flood] = {
                "quiet, median": min(median(one.quiet) for one in found),
                "attacked, median": min(median(one.attacked) for one in found),
                "quiet, p99": min(p99(one.quiet) for one in found),
                "attacked, p99": min(p99(one.attacked) for one in found),
                "longest turn": min(one.turn_ms for one in found),
                "cut off a second": cut / rounds / ATTACK_S,
            }
    return results


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--wire", choices=["fast", "plain"], default="fast")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    results = asyncio.run(measure(arguments.wire, arguments.rounds))
    table = Table("flood", *next(iter(results.values())), title=f"A bystander's calls, ms ({arguments.wire} wire)")
    for flood, figures in results.items():
        table.add_row(flood, *(f"{figure:.1f}" for figure in figures.values()))
    Console(width=160).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
