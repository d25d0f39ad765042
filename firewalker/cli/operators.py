"""What the commands of operators have in common: who they are, whom they mean, what others wrote, and the security log."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from firewalker.cli.services import named_url, plan
from firewalker.cli.terminal import CommandError
from firewalker.kernel.ids import UserId, parse_uuid
from firewalker.kernel.texts import is_printable
from firewalker.runtime import logging
from firewalker.runtime.config import ConfigError, read_key
from firewalker.user.domain.email import Email, parse_email

LONGEST_NAME = 64
"""Most characters of an operator's name, as the columns have it."""


def operator(name: str | None) -> str:
    """Whose decision it is: *name*, or who is signed in to this machine, which in a container is nobody in particular.

    Raises:
        CommandError: Nobody is, or the name cannot be written down.
    """
    try:
        found = name or getpass.getuser()
    except (KeyError, OSError, ImportError):
        message = "Say who you are, with --by: it is written down, and this machine does not know."
        raise CommandError(message) from None
    if len(found) > LONGEST_NAME or not is_printable(found):
        message = f"A name has at most {LONGEST_NAME} characters, all of them printable."
        raise CommandError(message)
    return found


def meant(text: str) -> UserId | Email:
    """Who is meant by a user id or an e-mail address.

    Raises:
        CommandError: It is neither.
    """
    user = parse_uuid(text)
    found = parse_email(text) if user is None else UserId(user)
    if found is None:
        message = "A user id or an e-mail address is needed."
        raise CommandError(message)
    return found


def harmless(text: str) -> str:
    """What a stranger wrote, without what a terminal would obey."""
    lines = (line if is_printable(line) else _escaped(line) for line in text.split("\n"))
    return "\n".join(lines)


def _escaped(line: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)


def open_security_log() -> None:
    """Write on standard error what happens to accounts, as the user service does, under the same pseudonyms.

    Raises:
        CommandError: The key of the pseudonyms cannot be read.
    """
    settings: dict[str, str] = dict(os.environ)
    if not named_url("user", "MYSQL_URL"):
        settings = plan().service_settings("user") | settings
    path = settings.get("FIREWALKER_USER_LOG_PSEUDONYM_KEY_FILE")
    try:
        key = read_key(Path(path)) if path else None
    except (OSError, ConfigError) as error:
        message = f"The key of the log's pseudonyms cannot be read: {error}"
        raise CommandError(message) from None
    form = settings.get("FIREWALKER_USER_LOG_FORMAT", "console")
    logging.configure(level="info", form=form, service="user", pseudonym_key=key)
