"""`firewalker account`: who may sign in, who not, and who decided so."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from rich.text import Text

from firewalker.cli.operators import harmless, meant, operator
from firewalker.cli.services import url
from firewalker.cli.terminal import CommandError, number, out
from firewalker.kernel.faults import Fault
from firewalker.user.domain.faults import UserNotFound
from firewalker.user.operating import governing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from firewalker.user.usecases.account_states import AccountStates, Standing


async def show(whom: str) -> None:
    """Print whether the account can be signed in to, and everything that was decided of it.

    Raises:
        CommandError: There is no such user, or the database cannot be reached.
    """
    print_standing(await found(whom))


async def disable(whom: str, by: str | None) -> None:
    """Let nobody sign in or stay signed in to the account of *whom*.

    Raises:
        CommandError: There is no such user, or the database cannot be reached.
    """
    name = operator(by)
    async with _accounts() as accounts:
        standing = await accounts.standing(meant(whom))
        ended = await accounts.disable(standing.card.user_id, name)
        standing = await accounts.standing(standing.card.user_id)
    print_standing(standing)
    out.print(f"{number(ended)} session{'' if ended == 1 else 's'} ended")


async def enable(whom: str, by: str | None) -> None:
    """Let the account of *whom* be signed in to again.

    Raises:
        CommandError: There is no such user, or the database cannot be reached.
    """
    name = operator(by)
    async with _accounts() as accounts:
        standing = await accounts.standing(meant(whom))
        await accounts.enable(standing.card.user_id, name)
        standing = await accounts.standing(standing.card.user_id)
    print_standing(standing)


async def found(whom: str) -> Standing:
    """How the account of *whom*, a user id or an e-mail address, stands.

    Raises:
        CommandError: There is no such user, or the database cannot be reached.
    """
    async with _accounts() as accounts:
        return await accounts.standing(meant(whom))


def print_standing(standing: Standing) -> None:
    """Print who it is, whether they may sign in, and what was decided."""
    card = standing.card
    out.print(Text(harmless(f"{card.nickname} ({card.user_id}): {standing.state.name.lower()}")), soft_wrap=True)
    for decision in standing.decisions:
        line = f"  {decision.state.name.lower()} from {decision.at:%Y-%m-%d %H:%M:%S} UTC on, said {decision.operator}"
        out.print(Text(harmless(line)), soft_wrap=True)


@asynccontextmanager
async def _accounts() -> AsyncIterator[AccountStates]:
    try:
        async with governing(url("user", "MYSQL_URL"), url("user", "REDIS_URL")) as accounts:
            yield accounts
    except UserNotFound:
        message = "There is no such user."
        raise CommandError(message) from None
    except (Fault, OSError) as problem:
        message = f"The database cannot be reached: {problem}"
        raise CommandError(message) from None
