"""`firewalker keys`: the keys that sign access tokens, and their rotation."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from rich.table import Table

from firewalker.cli.terminal import out
from firewalker.local.layout import Layout
from firewalker.local.secrets import make_secrets
from firewalker.local.signing_keys import rotate as rotate_keys
from firewalker.local.signing_keys import states


def show() -> None:
    """Print every key with what it does."""
    _print(states(make_secrets(Layout.of(os.environ).secrets)))


def rotate(*, force: bool) -> None:
    """Have the next key sign from now on. Running processes notice by themselves, and no token fails.

    Raises:
        CannotStartError: The next key was made just now; see `signing_keys.rotate`.
    """
    _print(rotate_keys(make_secrets(Layout.of(os.environ).secrets), force=force))


def _print(keys: list[dict[str, object]]) -> None:
    table = Table("key", "state", box=None, header_style="dim")
    for number, key in enumerate(keys):
        if "exp" in key:
            until = datetime.fromtimestamp(int(str(key["exp"])), UTC)
            state = f"retiring until {until:%H:%M:%S} UTC"
        else:
            state = ("active", "next")[min(number, 1)]
        table.add_row(str(key["kid"]), state)
    out.print(table)
