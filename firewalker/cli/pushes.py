"""`firewalker pushes`: what phones would show, as the FCM emulator has it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
from rich.table import Table

from firewalker.cli.terminal import CommandError, out
from firewalker.local import ports

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT_S = 5.0


async def show(environment: Mapping[str, str] = os.environ) -> None:
    """Print the pushes, the latest last.

    Raises:
        CommandError: There is no emulator where one should be.
    """
    port = ports.chosen(environment)["FIREWALKER_EMULATOR_PORT"]
    try:
        async with httpx.AsyncClient(timeout=LIMIT_S, trust_env=False) as client:
            found: dict[str, Any] = (await client.get(f"http://{ports.HOST}:{port}/screen")).json()
    except (httpx.HTTPError, ValueError):
        message = f"No FCM emulator answers on port {port}: start the backend with `firewalker up`."
        raise CommandError(message) from None
    table = Table("time", "device", "title", "text", "times", box=None, header_style="dim")
    for push in found["pushes"]:
        at = datetime.fromtimestamp(push["time"], UTC).astimezone()
        device = f"{push['platform']} {push['device'][:6]}"
        table.add_row(f"{at:%H:%M:%S}", device, *map(_plain, (push["title"], push["body"])), str(push["times"]))
    if found["pushes"]:
        out.print(table)
    else:
        out.print("Nothing has been pushed yet.", style="dim")


def _plain(text: str) -> str:
    """Nicknames are no markup, and no control characters of the terminal."""
    return "".join(character if character.isprintable() else " " for character in text).replace("[", "\\[")
