"""The commands about people, with their options: who was reported, who may not sign in. `app` puts them with the rest."""

# ruff: noqa: PLC0415 - `--help` must not wait for the imports of all commands

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

User = Annotated[str, typer.Argument(metavar="USER", help="A user id or an e-mail address.")]
By = Annotated[str | None, typer.Option("--by", help="Who decides; who is signed in to this machine if left out.")]


class _OrOfUser(TyperGroup):
    """`reports USER` is `reports of USER`, unless it is the name of a command."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that *args* begin with."""
        known = self.get_command(ctx, args[0]) is not None
        return super().resolve_command(ctx, args if known else ["of", *args])


reports_app = typer.Typer(
    cls=_OrOfUser, help="What users told of others, and that it was dealt with.", add_completion=False
)


@reports_app.callback(invoke_without_command=True)
def reports(context: typer.Context) -> None:
    """Show of whom reports are open, who was reported last first; all reports of one user with `reports USER`."""
    if context.invoked_subcommand is None:
        from firewalker.cli.reports import show

        asyncio.run(show())


@reports_app.command("of")
def reports_of(user: User) -> None:
    """Show all reports of a user: why, in which words, by whom, when, and whether they were dealt with."""
    from firewalker.cli.reports import show_of

    asyncio.run(show_of(user))


@reports_app.command("close")
def close_reports(
    what: Annotated[
        str,
        typer.Argument(metavar="USER|REPORT", help="A user, for all that is open of them, or the id of one report."),
    ],
    by: By = None,
) -> None:
    """Note that they were dealt with, by whom and when. That stays; what is reported later is open again."""
    from firewalker.cli.reports import close

    asyncio.run(close(what, by))


account_app = typer.Typer(
    help="Who may sign in, and who not. What a disabled user has stays as it is, for others too.",
    no_args_is_help=True,
    add_completion=False,
)


@account_app.command("show")
def show_account(user: User) -> None:
    """Show whether an account can be signed in to, and who decided so and when."""
    from firewalker.cli.account_states import show

    asyncio.run(show(user))


@account_app.command("disable")
def disable_account(user: User, by: By = None) -> None:
    """Sign a user out everywhere, at once, and let nobody sign in to the account. Repeating it is harmless."""
    from firewalker.cli.account_states import disable
    from firewalker.cli.operators import open_security_log

    open_security_log()
    asyncio.run(disable(user, by))


@account_app.command("enable")
def enable_account(user: User, by: By = None) -> None:
    """Let a user sign in again. Repeating it is harmless."""
    from firewalker.cli.account_states import enable
    from firewalker.cli.operators import open_security_log

    open_security_log()
    asyncio.run(enable(user, by))
