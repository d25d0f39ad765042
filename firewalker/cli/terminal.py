"""The terminal that commands write to: answers on standard output, everything about the work on standard error."""

from __future__ import annotations

from rich.console import Console

out = Console(highlight=False)
"""Answers."""

err = Console(stderr=True, highlight=False)
"""Progress and complaints."""


class CommandError(Exception):
    """A command cannot go on, for a reason that its text explains to the person at the terminal. Exit status 1."""


def number(value: int) -> str:
    """*value* with thin groups of thousands, as `12 345`."""
    return f"{value:,}".replace(",", " ")
