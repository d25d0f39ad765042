"""The commands with their options. What they do is in the modules that they name, imported when a command runs."""

# ruff: noqa: PLC0415 - `--help` must not wait for the imports of all commands

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from random import SystemRandom
from typing import Annotated

import typer

from firewalker.cli.addresses import LOOPBACK, Addresses
from firewalker.cli.operating import account_app, reports_app
from firewalker.cli.terminal import CommandError, err
from firewalker.local.problems import CannotStartError

app = typer.Typer(
    help="Firewalker: a social step counter's backend, on this machine.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

BACKEND = "Backend on this machine"
CLIENTS = "Clients of a running backend"

Host = Annotated[
    str, typer.Option("--address", help="Host of the backend; FIREWALKER_USER_PORT and so on move its ports.")
]
MOST_WALKING = 5_000
MOST_FILLED = 1_000_000

Users = Annotated[int, typer.Option(min=2, max=MOST_WALKING, help="How many people walk.")]
Minutes = Annotated[float, typer.Option(min=0.01, help="How long they walk.")]
Seed = Annotated[int | None, typer.Option(help="Repeats movement and circles of friends; names are always new.")]
Speed = Annotated[float, typer.Option(min=0.1, max=20, help="Multiplies every cadence; 1 is real life.")]
Interval = Annotated[float, typer.Option(min=0.05, max=60, help="Mean seconds between two messages of a walker.")]


def run() -> None:
    """Run the command line; what a person can put right is said without a traceback."""
    try:
        app()
    except (CommandError, CannotStartError) as problem:
        err.print(f"[red]{problem}[/]", soft_wrap=True)
        sys.exit(1)


@app.command(rich_help_panel=BACKEND)
def up() -> None:
    """Start everything: MySQL, Redis, the three services and the transcoder. Ctrl-C stops it."""
    from firewalker.local.up import run as run_up

    raise typer.Exit(run_up())


@app.command(rich_help_panel=BACKEND)
def migrate(
    service: Annotated[str | None, typer.Argument(help="user, step or notification; all if left out.")] = None,
) -> None:
    """Bring the databases to the present schema."""
    from firewalker.cli.services import migrate as run_migrate

    raise typer.Exit(run_migrate(service))


@app.command(rich_help_panel=BACKEND)
def rebuild() -> None:
    """Rebuild from MySQL what the step service keeps in Redis, while everything runs."""
    from firewalker.cli.services import rebuild as run_rebuild

    asyncio.run(run_rebuild())


@app.command(rich_help_panel=BACKEND)
def health(process: Annotated[str, typer.Argument(help="user, step, notification or transcoder.")]) -> None:
    """Fail if that process of this machine does not serve: for health checks of containers."""
    from firewalker.cli.health import check as check_health

    asyncio.run(check_health(process))


keys_app = typer.Typer(help="The keys that sign access tokens.", add_completion=False)
app.add_typer(keys_app, name="keys", rich_help_panel=BACKEND)


@keys_app.callback(invoke_without_command=True)
def keys(context: typer.Context) -> None:
    """Show the keys of a backend on this machine: the active one, the next one, and those that retire."""
    if context.invoked_subcommand is None:
        from firewalker.cli.keys import show as show_keys

        show_keys()


@keys_app.command("rotate")
def rotate_keys(
    *, force: Annotated[bool, typer.Option("--force", help="Even if the next key was made just now.")] = False
) -> None:
    """Sign with the next key from now on, while everything runs. No token that was given out fails."""
    from firewalker.cli.keys import rotate

    rotate(force=force)


@app.command(rich_help_panel=BACKEND)
def mail(count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many.")] = 1) -> None:
    """Show the newest mails, which a backend on this machine keeps instead of sending them."""
    from firewalker.cli.mail import show as show_mail

    show_mail(count)


@app.command(rich_help_panel=BACKEND)
def backup(folder: Annotated[Path, typer.Argument(help="Where the backups are; made if missing.")]) -> None:
    """Write the three databases of one moment into a new folder, and who was ever deleted beside it."""
    from firewalker.cli.backup import backup as run_backup

    asyncio.run(run_backup(folder))


@app.command(rich_help_panel=BACKEND)
def restore(place: Annotated[Path, typer.Argument(help="One backup in that folder.", exists=True)]) -> None:
    """Make a backend of a backup, where there is none yet: then `firewalker up`. Broken off, it can be run again."""
    from firewalker.cli.backup import restore_here

    asyncio.run(restore_here(place.resolve()))


tombstones_app = typer.Typer(help="Who was deleted, for restored backups.", no_args_is_help=True, add_completion=False)
app.add_typer(tombstones_app, name="tombstones", rich_help_panel=BACKEND)


@tombstones_app.command("export")
def export_tombstones(
    path: Annotated[Path, typer.Argument(help="A file kept beside the backups; it is added to.")],
) -> None:
    """Write down everybody who was deleted, as far as any database knows."""
    from firewalker.cli.tombstones import export

    asyncio.run(export(path))


@tombstones_app.command("apply")
def apply_tombstones(path: Annotated[Path, typer.Argument(help="The file that was exported.", exists=True)]) -> None:
    """After a restore, before the services start: delete everybody again who came back."""
    from firewalker.cli.tombstones import apply

    asyncio.run(apply(path))


outbox_app = typer.Typer(help="Events on their way from service to service.", add_completion=False)
app.add_typer(outbox_app, name="outbox", rich_help_panel=BACKEND)


@outbox_app.callback(invoke_without_command=True)
def outbox(context: typer.Context) -> None:
    """Show what waits for each destination, and what was set aside because it could not be delivered."""
    if context.invoked_subcommand is None:
        from firewalker.cli.outbox import show

        asyncio.run(show())


@outbox_app.command("replay")
def replay_outbox(
    destination: Annotated[str | None, typer.Argument(help="step or notification; all if left out.")] = None,
) -> None:
    """Deliver again what was set aside, once what was wrong is mended."""
    from firewalker.cli.outbox import replay

    asyncio.run(replay(destination))


review_app = typer.Typer(
    help="Days of so many steps that they have no rank before a person has looked.", add_completion=False
)
app.add_typer(review_app, name="review", rich_help_panel=BACKEND)

Walker = Annotated[str, typer.Argument(help="The walker's user id.")]
Day = Annotated[str, typer.Argument(help="The civil date, YYYY-MM-DD.")]


@review_app.callback(invoke_without_command=True)
def review(context: typer.Context) -> None:
    """Show the days that wait, the longest waiting first."""
    if context.invoked_subcommand is None:
        from firewalker.cli.review import show

        asyncio.run(show("pending"))


@review_app.command("list")
def list_reviews(
    verdict: Annotated[str, typer.Argument(help="pending, approved or refused.")] = "pending",
) -> None:
    """Show the days of that verdict."""
    from firewalker.cli.review import show

    asyncio.run(show(verdict))


@review_app.command("approve")
def approve(walker: Walker, day: Day) -> None:
    """Rank the day like any other. A frozen board stays as it is."""
    from firewalker.cli.review import decide

    asyncio.run(decide(walker, day, "approved"))


@review_app.command("refuse")
def refuse(walker: Walker, day: Day) -> None:
    """Leave the day without a rank until its walker corrects it."""
    from firewalker.cli.review import decide

    asyncio.run(decide(walker, day, "refused"))


app.add_typer(reports_app, name="reports", rich_help_panel=BACKEND)
app.add_typer(account_app, name="account", rich_help_panel=BACKEND)


deliveries_app = typer.Typer(help="Pushes on their way to FCM.", add_completion=False)
app.add_typer(deliveries_app, name="deliveries", rich_help_panel=BACKEND)


@deliveries_app.callback(invoke_without_command=True)
def deliveries(context: typer.Context) -> None:
    """Show what is due, how long it waits, and what was given up and why."""
    if context.invoked_subcommand is None:
        from firewalker.cli.deliveries import show

        asyncio.run(show())


@deliveries_app.command("replay")
def replay_deliveries() -> None:
    """Send again what was given up, once what was wrong is mended."""
    from firewalker.cli.deliveries import replay

    asyncio.run(replay())


@app.command(rich_help_panel=BACKEND)
def pushes() -> None:
    """List what phones would show: what the FCM emulator of `firewalker up` has delivered."""
    from firewalker.cli.pushes import show

    asyncio.run(show())


@app.command(rich_help_panel=BACKEND)
def doctor(address: Host = LOOPBACK) -> None:
    """Look at everything that has to work, and say what does not. Exit status 1 if something does not."""
    from firewalker.cli.doctor import examine

    raise typer.Exit(0 if asyncio.run(examine(_addresses(address))) else 1)


@app.command(rich_help_panel=CLIENTS)
def walk(
    *,
    users: Annotated[int, typer.Option(min=2, max=MOST_FILLED, help="How many people walk; at most 5000 live.")] = 50,
    days: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=400,
            help="Instead of walking, fill so many days at once, past all services: for benchmarks and figures of growth.",
        ),
    ] = None,
    minutes: Minutes = 2.0,
    address: Host = LOOPBACK,
    seed: Seed = None,
    speed: Speed = 1.0,
    interval: Interval = 1.0,
) -> None:
    """Simulate people who sign up, befriend each other and walk; check that no acknowledged step is missing.

    With `--days` the days are written straight into the step service's database, by people who cannot sign in.
    """
    from firewalker.cli.walk.command import fill as run_fill
    from firewalker.cli.walk.command import walk as run_walk
    from firewalker.cli.walk.crowd import Plan

    if days is not None:
        asyncio.run(run_fill(users, days, _seed(seed)))
        return
    if users > MOST_WALKING:
        raise CommandError(f"At most {MOST_WALKING} people can walk live; with --days up to {MOST_FILLED}.")
    plan = Plan(users, _seed(seed), speed, interval)
    good = asyncio.run(run_walk(plan, minutes, _addresses(address)))
    raise typer.Exit(0 if good else 1)


@app.command(rich_help_panel=CLIENTS)
def watch(
    *,
    email: Annotated[str | None, typer.Option(help="Who watches.")] = None,
    password: Annotated[
        str | None, typer.Option(envvar="FIREWALKER_PASSWORD", help="Their password; asked for if left out.")
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Watch as the first walker of the last walk.")] = False,
    address: Host = LOOPBACK,
) -> None:
    """Show a user's live board of friends. Ctrl-C ends it."""
    from firewalker.cli.account import Credentials
    from firewalker.cli.walk.last import recall
    from firewalker.cli.watch.command import Screen
    from firewalker.cli.watch.command import watch as run_watch

    if demo or email is None:
        credentials = recall()
    else:
        credentials = Credentials(email, password or typer.prompt("Password", hide_input=True, err=True))
    why = asyncio.run(run_watch(credentials, _addresses(address), Screen()))
    if why:
        err.print(why)


@app.command(rich_help_panel=CLIENTS)
def demo(
    *, users: Users = 50, minutes: Minutes = 2.0, address: Host = LOOPBACK, seed: Seed = None, speed: Speed = 4.0
) -> None:
    """Walk and watch in one terminal."""
    from firewalker.cli.demo import demo as run_demo
    from firewalker.cli.walk.crowd import Plan

    plan = Plan(users, _seed(seed), speed, interval_s=1.0)
    good = asyncio.run(run_demo(plan, minutes, _addresses(address)))
    raise typer.Exit(0 if good else 1)


def _seed(given: int | None) -> int:
    seed = SystemRandom().randrange(1 << 31) if given is None else given
    err.print(f"seed {seed}")
    return seed


def _addresses(host: str) -> Addresses:
    try:
        return Addresses.of(host)
    except ValueError as problem:
        raise CommandError(str(problem)) from None
