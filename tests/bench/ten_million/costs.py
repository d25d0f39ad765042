"""What a message, a frame and a board cost the step service: from `make bench`, or measured now by the same programs, shortly."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BOARDS = (5, 50)
"""Friends of the two boards that the cost of another is between."""


@dataclass(frozen=True)
class Costs:
    """Processor of a step process, in µs."""

    message: float
    """Of one reading, acknowledged after its commit."""
    frame: float
    """Pushed to one watcher."""
    board: float
    """Read once, without friends."""
    friend: float
    """For each friend on it."""
    source: str

    def opened(self, friends: float) -> float:
        """A board of so many friends."""
        return self.board + friends * self.friend


def measured() -> Costs:
    """Run the benchmarks, three short rounds each."""
    track = _run("track_steps", "--seconds", "1", "--runs", "3")
    boards = _run("leaderboard", "--seconds", "1", "--runs", "3")
    return _costs(track, boards, "three short rounds now")


def kept(path: Path) -> Costs:
    """Those of a file that `make bench` has kept."""
    figures = json.loads(path.read_text())["figures"]
    return _costs(figures["track_steps"], figures["leaderboard"], path.name)


def _costs(track: dict[str, Any], boards: Sequence[dict[str, Any]], source: str) -> Costs:
    by_name = {figure["what"]: float(figure["cpu_us"]) for figure in boards}
    few, many = (by_name[f"read {friends}"] for friends in BOARDS)
    friend = (many - few) / (BOARDS[1] - BOARDS[0])
    message = next(f["cpu_us_per_reading"] for f in track["full"] if f["readings_a_message"] == 1)
    return Costs(float(message), by_name["push"], few - BOARDS[0] * friend, friend, source)


def _run(name: str, *arguments: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        subprocess.run(
            [sys.executable, "-m", f"tests.bench.{name}", *arguments, "--json", path],
            check=True, timeout=300, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return json.loads(path.read_text())
