"""`firewalker mail`: the mails that a local run would have sent."""

from __future__ import annotations

import os
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING

from firewalker.cli.terminal import CommandError, out
from firewalker.local.layout import Layout

if TYPE_CHECKING:
    from email.message import EmailMessage


def show(count: int) -> None:
    """Print the newest *count* mails, the newest last.

    Raises:
        CommandError: There are none.
    """
    folder = Layout.of(os.environ).mail
    newest = sorted(folder.glob("*.eml"))[-count:] if folder.is_dir() else []
    if not newest:
        message = f"There is no mail in {folder}."
        raise CommandError(message)
    for path in newest:
        mail: EmailMessage = message_from_bytes(path.read_bytes(), policy=default)
        out.rule(str(mail["Date"]), align="left")
        for name in ("To", "Subject"):
            out.print(f"{name}: {mail[name]}", markup=False, highlight=False)
        out.print()
        out.print(mail.get_content(), markup=False, highlight=False, soft_wrap=True)
