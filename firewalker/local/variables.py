"""Which FIREWALKER_… variables there are: a misspelt one would otherwise silently be a default.

What the variables of one process may be called is known to that process; here it is only whose a variable can be.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from firewalker.local.ports import DEFAULTS
from firewalker.local.problems import CannotStartError
from firewalker.local.secrets import SERVICES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREFIX = "FIREWALKER_"

OWN = (
    "FIREWALKER_LOCAL_DIR",
    "FIREWALKER_MYSQLD",
    "FIREWALKER_REDIS_SERVER",
    "FIREWALKER_IGNORE_INSTALLED_SERVERS",
    "FIREWALKER_REDIS_URL",
    "FIREWALKER_REDIS_URL_FILE",
    "FIREWALKER_PASSWORD",
)
"""Variables of no single process: of local runs, of all services, of the command line."""

OWNERS = (*(service.upper() for service in SERVICES), "TRANSCODER", "EMULATOR", "TEST")
"""First words after `PREFIX` that belong to a process, or to the tests. The rest of the name is checked there."""

ALIKE = 0.75
"""How similar a name has to be to be meant, as difflib counts; lower makes suggestions that are none."""


def unknown(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each FIREWALKER_… variable that nothing here reads, with the one that was probably meant."""
    return [
        f"{name}: there is no such variable{suggestion(name)}"
        for name in sorted(environment)
        if name.upper().startswith(PREFIX) and name not in OWN and not name.startswith(tuple(_prefixes()))
    ]


def require_known(environment: Mapping[str, str]) -> None:
    """Return if something reads every FIREWALKER_… variable.

    Raises:
        CannotStartError: Nothing reads some; the text names them all.
    """
    if problems := unknown(environment):
        raise CannotStartError("\n".join(problems))


def suggestion(name: str, more: Iterable[str] = ()) -> str:
    """`` (did you mean …?)`` with the variable most like *name*, among them those of *more*; empty if none is."""
    _, _, rest = name.upper().removeprefix(PREFIX).partition("_")
    of_processes = (f"{PREFIX}{owner}_{rest}" for owner in OWNERS if rest and owner != "TEST")
    candidates = {*OWN, *DEFAULTS, *more, *of_processes} - {name}
    close = difflib.get_close_matches(name.upper(), sorted(candidates), 1, ALIKE)
    return f" (did you mean {close[0]}?)" if close else ""


def _prefixes() -> list[str]:
    return [f"{PREFIX}{owner}_" for owner in OWNERS]
