"""Runs a watch from the command line: sign in, follow, draw, until Ctrl-C or the end of the session."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from grpclib.client import Channel
from rich.console import Group
from rich.live import Live
from rich.text import Text

from firewalker.cli.account import Account, Credentials
from firewalker.cli.addresses import require_listening
from firewalker.cli.calls import CallError
from firewalker.cli.terminal import CommandError, err, out
from firewalker.cli.watch.board import Board
from firewalker.cli.watch.follow import Link, follow
from firewalker.cli.watch.view import plain, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from firewalker.cli.addresses import Addresses

REDRAWS_A_SECOND = 4

LINES_AT_MOST_EVERY_S = 1.0

FRAME_LINES = 6
"""Lines of the terminal that rows cannot have: title, headings, footer."""


class Screen:
    """What is drawn: the board, how it is connected, and a line below that the owner of the screen may set."""

    def __init__(self) -> None:
        self.board = Board()
        self.link = Link.LOST
        self.footer: Callable[[], str] = str
        self._last_line = ""
        self._next_line = 0.0

    def tell(self, link: Link, why: str) -> None:
        """Note how the board is connected; where there is no terminal, print what is new."""
        if out.is_terminal:
            self.link = link
            return
        if link is Link.LOST and self.link is Link.LIVE:
            err.print(f"Connection lost: {why}", soft_wrap=True)
        self.link = link
        told = plain(self.board)
        if link is Link.LIVE and told != self._last_line and time.monotonic() >= self._next_line:
            self._last_line = told
            self._next_line = time.monotonic() + LINES_AT_MOST_EVERY_S
            out.print(told, soft_wrap=True)

    def draw(self) -> Group:
        """The screen as it is now."""
        rows = max(3, out.height - FRAME_LINES)
        return Group(table(self.board, self.link, rows), Text(self.footer(), style="dim"))

    def live(self) -> Live:
        """A context in which the screen is redrawn several times a second, if there is a terminal."""
        if not out.is_terminal:
            return Live(console=out, auto_refresh=False, get_renderable=str)
        return Live(console=out, refresh_per_second=REDRAWS_A_SECOND, get_renderable=self.draw)


async def watch(credentials: Credentials, addresses: Addresses, screen: Screen) -> str:
    """Sign in and follow the board on *screen*; the answer is why it ended.

    Raises:
        CommandError: Signing in is not possible, or not any more.
    """
    await require_listening(addresses.user, addresses.step)
    user, step = Channel(*addresses.user), Channel(*addresses.step)
    try:
        account = await Account.log_in(user, credentials)
        with screen.live():
            return await follow(account, step, screen.board, screen.tell)
    except CallError as error:
        message = f"The board cannot be watched: {error}"
        raise CommandError(message) from None
    except asyncio.CancelledError:
        # Ctrl-C is how a watch ends. The cancellation is of the whole command, so nobody waits for it.
        return ""
    finally:
        step.close()
        user.close()
