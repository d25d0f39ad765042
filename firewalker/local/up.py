"""`firewalker up`, which is `make run`: the whole backend in the foreground until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from firewalker.local.backend import Backend, prepare
from firewalker.local.layout import Layout
from firewalker.local.output import Terminal
from firewalker.local.ports import DEFAULTS, HOST
from firewalker.local.problems import CannotStartError
from firewalker.local.secrets import SERVICES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firewalker.local.plan import Plan

READY_LIMIT_S = 300
"""For all programs together; the supervisor gives single ones up long before."""

CLIENT_PORTS = tuple(f"FIREWALKER_{process.upper()}_PORT" for process in (*SERVICES, "transcoder", "emulator"))
"""What the commands that are clients read to find a backend."""

TERMINAL_LOOK_S = 1.0
"""How often to look whether the terminal is still there."""


def run(environment: Mapping[str, str] | None = None) -> int:
    """Run the whole backend until SIGINT, SIGTERM or SIGHUP, or until its terminal is closed; return the exit status.

    0 after a signal, 1 if something cannot be started (with a sentence on standard error). A second signal kills what has
    not stopped yet. Started with SIGHUP ignored, as nohup does, it outlives its terminal.
    """
    environment = dict(os.environ) if environment is None else environment
    began = time.monotonic()

    def report(text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stdout.write(f"[{time.monotonic() - began:5.1f} s] {text}\n")
            sys.stdout.flush()

    try:
        layout = Layout.of(environment)
        report(f"using {layout.root}")
        with prepare(layout, environment, report=report) as plan:
            return asyncio.run(_run(plan, began))
    except CannotStartError as problem:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{problem}\n")
        return 1
    except KeyboardInterrupt:
        return 0  # before the first process, the only time when Python's own handler is in place


async def _run(plan: Plan, began: float) -> int:
    names = [program.name for program in plan.programs()]
    terminal = Terminal([*names, "up"])
    backend = Backend(plan, terminal.say)
    leaving = asyncio.Event()
    watch = _heed_signals(backend, terminal, leaving)
    backend.start_all()
    greeting = asyncio.create_task(_greet(backend, terminal, began))
    left = asyncio.create_task(leaving.wait())
    events: set[asyncio.Future[Any]] = {left, backend.given_up}
    await asyncio.wait({*events, greeting}, return_when=asyncio.FIRST_COMPLETED)
    problem = None if left.done() or not greeting.done() else greeting.exception()
    if problem is None:
        await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
    if problem is None and not left.done():
        problem = CannotStartError(backend.given_up.result())
    leaving.set()  # from here on a signal kills
    await backend.stop()
    for task in (greeting, left, watch):
        task.cancel()
    await asyncio.gather(greeting, left, watch, return_exceptions=True)
    if problem is not None:
        raise problem
    terminal.say("up", "stopped")
    return 0


def _heed_signals(backend: Backend, terminal: Terminal, leaving: asyncio.Event) -> asyncio.Task[None]:
    """Set *leaving* at a signal or when the terminal is closed; once it is set, SIGINT and SIGTERM kill.

    The task watches the terminal; it is to be cancelled in the end.
    """

    def leave(why: str) -> None:
        if not leaving.is_set():
            leaving.set()
            backend.begin_stop()
            terminal.say("up", f"stopping ({why}); once more to kill")

    def leave_or_kill(number: signal.Signals) -> None:
        if leaving.is_set():
            terminal.say("up", f"killing everything ({number.name})")
            backend.kill_everything()
        leave(number.name)

    async def watch() -> None:
        """SIGHUP alone does not tell: it goes to the session's leader, and if that is `make`, nobody passes it on."""
        while not terminal.hung_up():  # noqa: ASYNC110 - there is nothing that would tell
            await asyncio.sleep(TERMINAL_LOOK_S)
        leave("the terminal was closed")

    async def outlive() -> None:
        """Nothing to watch."""

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, leave_or_kill, number)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return asyncio.create_task(outlive())
    # A closed terminal may be told twice, by signal and by sight, in any order: neither is a second wish.
    loop.add_signal_handler(signal.SIGHUP, leave, signal.SIGHUP.name)
    return asyncio.create_task(watch())


async def _greet(backend: Backend, terminal: Terminal, began: float) -> None:
    """When everything is ready, say where it is and what to try."""
    await backend.wait_ready(within_s=READY_LIMIT_S)
    terminal.write(greeting_text(backend.plan, time.monotonic() - began))


def greeting_text(plan: Plan, took_s: float) -> str:
    """The addresses of a ready backend, and three commands to paste."""
    folder = os.path.relpath(os.path.dirname(sys.executable))  # noqa: PTH120 - not resolved: the link is in the venv
    scripts = shlex.quote(folder)
    user, rest = f"{HOST}:{plan.port('user')}", f"http://{HOST}:{plan.port('transcoder')}"
    person = '{"email":"ann@example.com","password":"a long walk home","nickname":"Ann","timeZone":"Europe/Berlin"}'
    # The command line finds the backend as `up` was told to place it: by the same variables.
    told = {name: str(plan.ports[name]) for name in CLIENT_PORTS if plan.ports[name] != DEFAULTS[name]}
    if plan.environment.get("FIREWALKER_LOCAL_DIR"):
        told["FIREWALKER_LOCAL_DIR"] = os.path.abspath(plan.environment["FIREWALKER_LOCAL_DIR"])  # noqa: PTH100 - as given
    settings = "".join(f"{name}={shlex.quote(value)} " for name, value in told.items())
    walk = f"{settings}{scripts}/firewalker walk --users 50 --minutes 2"
    return "\n".join(
        (
            "",
            f"Firewalker is ready after {took_s:.1f} s. Ctrl-C stops it; the data stays.",
            "",
            *(f"  {service:<13} grpc://{HOST}:{plan.port(service)}" for service in SERVICES),
            f"  {'transcoder':<13} {rest}",
            f"  {'web page':<13} {rest}/",
            *([f"  {'pushes':<13} http://{HOST}:{plan.port('emulator')}"] if plan.emulates_fcm else []),
            "",
            "Try next:",
            "",
            f"  {scripts}/grpcurl -plaintext {user} list",
            f"  curl -s {rest}/v1/auth/signup -H 'content-type: application/json' -d '{person}'",
            f"  {walk}",
            "",
        )
    )
