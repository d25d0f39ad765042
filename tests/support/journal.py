"""What the processes of a backend write while tests use it."""

from __future__ import annotations

from pathlib import Path

_BEGINS = "Traceback (most recent call last)"
_DRAWN = (" ", "│", "╭", "╰")
"""What the lines between a traceback's first and its error begin with."""


class Journal:
    """What the processes write, kept in a file, with the tracebacks apart."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._said: dict[str, str] = {}
        self._found: list[list[str]] = []
        self._within: dict[str, list[str]] = {}

    @property
    def tracebacks(self) -> list[str]:
        """One text each: the line before it, which says what went wrong where, and its own lines."""
        return ["\n".join(lines) for lines in self._found]

    def begin(self) -> None:
        """Forget the tracebacks so far."""
        self._found.clear()
        self._within.clear()

    def say(self, name: str, line: str) -> None:
        """Take one line of the process *name*."""
        said = f"{name} | {line}"
        with self.path.open("a") as file:
            file.write(f"{said}\n")
        if name in self._within:
            self._go_on(name, line, said)
        if _BEGINS in line and name not in self._within:
            lines = [self._said.get(name, f"{name} | "), said]
            self._found.append(lines)
            if not line.startswith("{"):  # JSON has the whole of it in its line
                self._within[name] = lines
        self._said[name] = said

    def _go_on(self, name: str, line: str, said: str) -> None:
        lines, drawn = self._within[name], line.startswith(_DRAWN)
        # The error stands at the margin where the traceback does; below an indented one there is the next line of the log.
        if drawn or not lines[1].startswith(f"{name} |  "):
            lines.append(said)
        if not drawn:
            del self._within[name]
