"""The walker whose board `firewalker watch --demo` shows: the first of the last walk, kept in the local folder."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from firewalker.cli.account import Credentials
from firewalker.cli.terminal import CommandError
from firewalker.local.files import write_whole
from firewalker.local.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path


def remember(credentials: Credentials) -> None:
    """Keep *credentials* for the next `watch --demo`, readable by the owner only."""
    content = {"email": credentials.email, "password": credentials.password}
    write_whole(_file(), json.dumps(content).encode() + b"\n")


def recall() -> Credentials:
    """The credentials kept last.

    Raises:
        CommandError: There are none.
    """
    try:
        content = json.loads(_file().read_bytes())
        return Credentials(content["email"], content["password"])
    except (OSError, ValueError, KeyError, TypeError):
        message = "There was no walk here yet: run `firewalker walk` first, or give --email and --password."
        raise CommandError(message) from None


def _file() -> Path:
    return Layout.of(os.environ).root / "last-walk.json"
