"""Mails as files, for machines on which nobody should get any: `firewalker mail` shows them."""

import asyncio
import os
from pathlib import Path

from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import MailId
from firewalker.user.domain.mail_text import Letter
from firewalker.user.mail_message import message
from firewalker.user.usecases.ports import MailFailed

KEPT = 200
"""Files that stay; the oldest go."""


class MailFolder:
    """Puts each mail into a folder, named by its id, so that the newest is the last by name."""

    def __init__(self, folder: Path, sender: str, clock: Clock) -> None:
        """*folder* is made, for its owner alone, if it is missing."""
        self._folder = folder
        self._sender = sender
        self._clock = clock

    async def send(self, mail_id: MailId, letter: Letter) -> None:
        """Return once the file is there.

        Raises:
            MailFailed: It cannot be written.
        """
        content = bytes(message(mail_id, letter, sender=self._sender, clock=self._clock))
        try:
            await asyncio.to_thread(self._write, f"{mail_id}.eml", content)
        except OSError as error:
            raise MailFailed(type(error).__name__.upper()) from None

    def _write(self, name: str, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._folder / f".{name}.{os.getpid()}"
        part.write_bytes(content)
        part.rename(self._folder / name)
        for old in sorted(self._folder.glob("*.eml"))[:-KEPT]:
            old.unlink(missing_ok=True)
