"""Asks every process of a plan whether it accepts what it will be told, before anything starts."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from firewalker.local.problems import CannotStartError
from firewalker.local.variables import suggestion

if TYPE_CHECKING:
    from firewalker.local.plan import Plan
    from firewalker.local.unit import Program

CHECK_LIMIT_S = 60
"""For one process; it only reads its environment and some files."""

NO_SUCH = re.compile(r"(FIREWALKER_\w+): (?:there is )?no such setting")


def check_configuration(plan: Plan) -> None:
    """Return if the services and the transcoder accept their settings; takes as long as the slowest of them to say so.

    Raises:
        CannotStartError: They do not; the text has one line for each thing to mend.
    """
    asked = [program for program in plan.programs() if program.final and not program.once]
    running = [_ask(program) for program in asked]
    problems: list[str] = []
    try:
        for program, process in zip(asked, running, strict=True):
            _, said = process.communicate(timeout=CHECK_LIMIT_S)
            if process.returncode != 0:
                problems += _problems(program, said)
    except subprocess.TimeoutExpired:
        message = f"`{' '.join(program.command[1:])} check-config` did not answer within {CHECK_LIMIT_S} s."
        raise CannotStartError(message) from None
    finally:
        for process in running:
            process.kill()
            process.communicate()
    if problems:
        lines = "\n".join(f"  {line}" for line in dict.fromkeys(problems))
        message = f"The configuration cannot be used:\n{lines}"
        raise CannotStartError(message)


def _ask(program: Program) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*program.command, "check-config"],
        env=dict(program.environment),
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def _problems(program: Program, said: str) -> list[str]:
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.endswith("cannot start:")]
    if said.startswith("Traceback") or not lines:
        return [f"{program.name}: {lines[-1] if lines else 'does not accept it, without a word'}"]
    known = [name for name in program.environment if name.startswith("FIREWALKER_")]
    return [f"{line}{suggestion(match[1], known)}" if (match := NO_SUCH.match(line)) else line for line in lines]
