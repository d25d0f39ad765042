"""`firewalker up`, which is `make run`: the whole backend in the foreground until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from firewalker.local.backend import Backend, prepare
from firewalker.local.layout import Layout
from firewalker.local.output import Terminal
from firewalker.local.ports import HOST
from firewalker.local.problems import CannotStartError
from firewalker.local.secrets import SERVICES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firewalker.local.plan import Plan

READY_LIMIT_S = 300
"""For all programs together; the supervisor gives single ones up long before."""


def run(environment: Mapping[str, str] | None = None) -> int:
    """Run the whole backend until SIGINT, SIGTERM or SIGHUP; return the exit status.

    0 after a signal, 1 if something cannot be started (with a sentence on standard error). A second signal kills what has
    not stopped yet.
    """
    environment = dict(os.environ) if environment is None else environment
    began = time.monotonic()

    def report(text: str) -> None:
        sys.stdout.write(f"[{time.monotonic() - began:5.1f} s] {text}\n")
        sys.stdout.flush()

    try:
        layout = Layout.of(environment)
        report(f"using {layout.root}")
        with prepare(layout, environment, report=report) as plan:
            return asyncio.run(_run(plan, began))
    except CannotStartError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    except KeyboardInterrupt:
        return 0  # before the first process, the only time when Python's own handler is in place


async def _run(plan: Plan, began: float) -> int:
    names = [program.name for program in plan.programs()]
    terminal = Terminal([*names, "up"])
    backend = Backend(plan, terminal.say)
    leaving = asyncio.Event()

    def leave() -> None:
        if leaving.is_set():
            terminal.say("up", "killing everything")
            backend.kill_everything()
        else:
            terminal.say("up", "stopping (once more to kill)")
            leaving.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, leave)
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
    for task in (greeting, left):
        task.cancel()
    await asyncio.gather(greeting, left, return_exceptions=True)
    if problem is not None:
        raise problem
    terminal.say("up", "stopped")
    return 0


async def _greet(backend: Backend, terminal: Terminal, began: float) -> None:
    """When everything is ready, say where it is and what to try."""
    await backend.wait_ready(within_s=READY_LIMIT_S)
    terminal.write(greeting_text(backend.plan, time.monotonic() - began))


def greeting_text(plan: Plan, took_s: float) -> str:
    """The addresses of a ready backend, and three commands to paste."""
    scripts = os.path.relpath(os.path.dirname(sys.executable))  # noqa: PTH120 - not resolved: the link is in the venv
    user, rest = f"{HOST}:{plan.port('user')}", f"http://{HOST}:{plan.port('transcoder')}"
    person = '{"email":"ann@example.com","password":"a long walk home","nickname":"Ann","timeZone":"Europe/Berlin"}'
    walk = f"{scripts}/firewalker walk --users 50 --minutes 2"
    return "\n".join(
        (
            "",
            f"Firewalker is ready after {took_s:.1f} s. Ctrl-C stops it; the data stays.",
            "",
            *(f"  {service:<13} grpc://{HOST}:{plan.port(service)}" for service in SERVICES),
            f"  {'transcoder':<13} {rest}",
            "",
            "Try next:",
            "",
            f"  {scripts}/grpcurl -plaintext {user} list",
            f"  curl -s {rest}/v1/auth/signup -H 'content-type: application/json' -d '{person}'",
            f"  {walk}",
            "",
        )
    )
