"""What the processes of a backend write while tests use it."""

from __future__ import annotations

from pathlib import Path


class Journal:
    """What the processes write, kept in a file, with the tracebacks apart."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tracebacks: list[str] = []
        self._within: set[str] = set()

    def begin(self) -> None:
        """Forget the tracebacks so far."""
        self.tracebacks.clear()
        self._within.clear()

    def say(self, name: str, line: str) -> None:
        """Take one line of the process *name*."""
        with self.path.open("a") as file:
            file.write(f"{name} | {line}\n")
        if "Traceback (most recent call last)" in line:
            self._within.add(name)
        elif not line.startswith(" "):
            self._within.discard(name)
        if name in self._within:
            self.tracebacks.append(f"{name} | {line}")
