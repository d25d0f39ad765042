"""A service as a process: its commands, its start, its signals, and the order in which it stops.

On SIGTERM or SIGINT: health says NOT_SERVING; after ``drain_delay_s`` no new calls are taken; calls under way have
``drain_s`` to finish; background parts stop in reverse order (each flushes what it holds); resources are closed; exit 0.
A second signal, or parts that do not stop, end the process at once with 1: everything acknowledged is in MySQL anyway.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NoReturn, Protocol, TypeVar

import structlog

from firewalker.kernel.faults import Fault
from firewalker.runtime import logging, tasks, tracing
from firewalker.runtime.config import ConfigError, ServiceConfig, described, load, read_key
from firewalker.runtime.garbage import rare_collections
from firewalker.runtime.metrics import MetricsServer, watch_event_loop
from firewalker.runtime.migrations import MigrationError, migrate, pending
from firewalker.runtime.turns import TimedLoop, count_turns
from firewalker.runtime.watchdog import Watchdog
from firewalker.runtime.workers import METRICS_STEP, MOST_WORKERS, WorkerLink, Workers

PARTS_STOP_S = 10.0
"""How long each background part, and all resources together, may take to stop."""

CHECK_EVERY_S = 1.0

CHECK_LIMIT_S = 3.0
"""Longest check. Longer than the pool lets a caller wait (`mysql.pool.ACQUIRE_S`), so that a check that finds all connections
in use comes to say so: load is no outage."""

FAILED_CHECKS = 3
"""So many failed checks in a row make a serving process not serving: one lost connection is no outage (NET-40)."""

EXIT_FAILED = 1
EXIT_CONFIG = 2

_log = structlog.get_logger(__name__)


class Health(Protocol):
    """What a server tells those who ask whether to send calls here."""

    def set(self, serving: bool, /) -> None:  # noqa: FBT001 - it is the state
        """Change it, and tell those who watch."""


class Server(Protocol):
    """A port that takes calls."""

    @property
    def health(self) -> Health:
        """Starts as not serving."""

    async def start(self) -> None:
        """Listen."""

    async def drain(self, within_s: float, /) -> None:
        """Take no new calls, return when those under way are done or *within_s* has passed."""

    async def close(self) -> None:
        """Cut off what is left and free the port."""


class Part(Protocol):
    """Something that works in the background while calls are served."""

    async def start(self) -> None:
        """Begin."""

    async def stop(self) -> None:
        """End, with everything done that was promised."""


@dataclass
class App:
    """A composed service: what its composition root hands over."""

    servers: Sequence[Server]
    """Its ports. Started last, drained first, all at once."""

    parts: Sequence[Part] = ()
    """Started in this order before the servers, stopped in reverse after them."""

    resources: AsyncExitStack = field(default_factory=AsyncExitStack)
    """What was opened: pools, clients, channels. Closed at the very end, in reverse."""

    checks: Mapping[str, Callable[[], Awaitable[object]]] = field(default_factory=dict)
    """By name: returns if the service can do its work, raises if not. MySQL belongs here; Redis and others do not, because
    the service works without (NET-40)."""


C = TypeVar("C", bound=ServiceConfig)


def main(
    *,
    service: str,
    config: type[C],
    app: Callable[[C], Awaitable[App]],
    schema: Traversable | None = None,
    argv: Sequence[str] | None = None,
) -> NoReturn:
    """The command line of *service*: serve (the default), ``migrate``, ``check-config``. Does not return.

    With several workers this process serves nothing itself but keeps them (`workers.py`).

    *app* builds the service; its migrations are in *schema*, by default ``firewalker/<service>/store/schema``.
    """
    parser = argparse.ArgumentParser(prog=f"python -m firewalker.{service}")
    parser.add_argument(
        "command",
        nargs="?",
        default="serve",
        choices=["serve", "migrate", "check-config"],
        help="serve (default); migrate: bring the database's schema forward; check-config: print the settings",
    )
    parser.add_argument("--workers", type=int, help="serve with so many processes; else as the configuration says")
    arguments = parser.parse_args(argv)
    command: str = arguments.command
    try:
        settings = _with_workers(load(config), arguments.workers)
        if command == "check-config":
            print("\n".join(described(settings)))  # noqa: T201 - what was asked for
            raise SystemExit(0)
        key_file = settings.log_pseudonym_key_file
        key = read_key(key_file) if key_file else None
        logging.configure(level=settings.log_level, form=settings.log_format, service=service, pseudonym_key=key)
        schema = schema or resources.files(f"firewalker.{service}") / "store" / "schema"
        if command == "migrate":
            asyncio.run(_migrate(settings, schema))
            raise SystemExit(0)
        link = WorkerLink.inherited()
        if settings.workers > 1 and link is None:
            raise SystemExit(asyncio.run(_keep_workers(settings.workers)))
        with asyncio.Runner(loop_factory=TimedLoop) as runner:
            raise SystemExit(runner.run(_serve(service, settings, app, schema, link)))
    except ConfigError as error:
        sys.stderr.write(f"firewalker.{service} cannot start:\n{error}\n")
        raise SystemExit(EXIT_CONFIG) from None
    except (Fault, MigrationError, OSError) as error:
        # Expected troubles of a start: a sentence, no traceback. The supervisor tries again.
        sys.stderr.write(f"firewalker.{service}: {error}\n")
        raise SystemExit(EXIT_FAILED) from None


async def _migrate(settings: ServiceConfig, schema: Traversable) -> None:
    done = await migrate(settings.mysql_url.get_secret_value(), schema)
    _log.info("migrated", applied=len(done))


def _with_workers(settings: C, workers: int | None) -> C:
    """The settings with as many workers as the command line asks for, if it does."""
    if workers is not None:
        settings = settings.model_copy(update={"workers": workers})
    if not 1 <= settings.workers <= MOST_WORKERS:
        raise ConfigError(f"--workers: between 1 and {MOST_WORKERS}")
    if settings.workers > 1 and 0 in (settings.port, settings.internal_port):
        raise ConfigError("several workers need ports that are said beforehand; 0 gives each its own")
    return settings


async def _keep_workers(count: int) -> int:
    return await Workers(count).run()


async def _serve(
    service: str, settings: C, build: Callable[[C], Awaitable[App]], schema: Traversable, link: WorkerLink | None
) -> int:
    if link is not None:
        own_port = None if settings.metrics_port is None else settings.metrics_port + METRICS_STEP * link.number
        settings = settings.model_copy(update={"share_port": True, "metrics_port": own_port})
    missing = await pending(settings.mysql_url.get_secret_value(), schema)
    if missing:
        raise MigrationError(f"the database lacks {', '.join(missing)}; run the migrate command first")
    metrics = None if settings.metrics_port is None else MetricsServer(settings.metrics_host, settings.metrics_port)
    if settings.trace_endpoint is not None:
        tracing.start(settings.trace_endpoint, service=service, share=settings.trace_share)
    try:
        app = await build(settings)
        if metrics is not None:
            metrics.start()
        return await run(app, drain_delay_s=settings.drain_delay_s, drain_s=settings.drain_s, link=link)
    finally:
        if metrics is not None:
            metrics.close()
        tracing.stop()


async def run(app: App, *, drain_delay_s: float = 0.0, drain_s: float = 20.0, link: WorkerLink | None = None) -> int:
    """Serve *app* until a signal says stop; the exit status. What did not start is undone before the error travels on.

    A worker stops also when the process at the other end of its *link* is gone.

    If a background task dies, it stops in the same order, with status 1: whoever supervises starts it anew.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, stop, number)
    loop.set_exception_handler(_unexpected)
    watches: list[asyncio.Task[None]] = []
    deaths: list[str] = []

    def died(task: str) -> None:
        deaths.append(task)
        stop.set()

    try:
        async with AsyncExitStack() as undo:
            undo.callback(tasks.on_death(died))
            if link is not None:
                undo.callback(link.close)
                link.attach(stop.set)
            undo.push_async_callback(_within, PARTS_STOP_S, app.resources.aclose)
            for part in app.parts:
                undo.push_async_callback(_within, PARTS_STOP_S, part.stop)
                await part.start()
            for server in app.servers:
                undo.push_async_callback(server.close)
                await server.start()
            await undo.enter_async_context(rare_collections())
            watches = [
                asyncio.create_task(watch_event_loop(), name="event loop lag"),
                asyncio.create_task(_watch_readiness(app, link), name="readiness"),
            ]
            watchdog = Watchdog()
            watchdog.start()
            undo.callback(watchdog.stop)
            count_turns()
            await _until(stop, watches)
            await _drain(app, watches[1], drain_delay_s, drain_s)
    finally:
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    _log.info("stopped", because_of=deaths or None)
    return EXIT_FAILED if deaths else 0


async def _until(stop: asyncio.Event, watches: Sequence[asyncio.Task[None]]) -> None:
    """Wait for the signal. A watch never ends by itself: if one does, its error ends the process."""
    signalled = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({signalled, *watches}, return_when=asyncio.FIRST_COMPLETED)
        for watch in watches:
            if watch.done():
                watch.result()
    finally:
        signalled.cancel()


async def _drain(app: App, readiness: asyncio.Task[None], delay_s: float, drain_s: float) -> None:
    readiness.cancel()  # or it would say SERVING again
    await asyncio.gather(readiness, return_exceptions=True)
    for server in app.servers:
        server.health.set(False)
    _log.info("draining", delay_s=delay_s, within_s=drain_s)
    await asyncio.sleep(delay_s)
    results = await asyncio.gather(*(server.drain(drain_s) for server in app.servers), return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            _log.error("drain_failed", exc_info=result)


async def _watch_readiness(app: App, link: WorkerLink | None) -> None:
    """Say SERVING once all checks pass, NOT_SERVING once they have failed three times in a row."""
    serving, failures = False, 0
    while True:
        failed = await _failed_check(app)
        failures = failures + 1 if failed else 0
        now = failed is None if not serving else failures < FAILED_CHECKS
        if now is not serving:
            serving = now
            for server in app.servers:
                server.health.set(serving)
            if serving and link is not None:
                link.ready()
            _log.info("ready") if serving else _log.error("not_ready", check=failed)
        await asyncio.sleep(CHECK_EVERY_S if serving else CHECK_EVERY_S / 10)


async def _failed_check(app: App) -> str | None:
    for name, check in app.checks.items():
        try:
            async with asyncio.timeout(CHECK_LIMIT_S):
                await check()
        except Exception as error:  # noqa: BLE001 - whatever it is, the check has failed
            _log.debug("check_failed", check=name, error=type(error).__name__)
            return name
    return None


async def _within(limit_s: float, stop: Callable[[], Awaitable[object]]) -> None:
    """Stop one thing; if it fails or hangs, say so and go on with the next."""
    try:
        async with asyncio.timeout(limit_s):
            await stop()
    except Exception:  # noqa: BLE001 - one that fails must not keep the others from stopping
        _log.exception("stop_failed", what=getattr(stop, "__qualname__", repr(stop)))


def _on_signal(stop: asyncio.Event, number: int) -> None:
    if stop.is_set():
        sys.stderr.write("stopping at once\n")
        sys.stderr.flush()
        os._exit(EXIT_FAILED)
    _log.info("stopping", signal=signal.Signals(number).name)
    stop.set()


def _unexpected(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    error = context.get("exception")
    with contextlib.suppress(Exception):
        _log.error("unexpected", what=str(context.get("message", "")), exc_info=error)
