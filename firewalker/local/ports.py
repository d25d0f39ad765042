"""The ports of a local run: which there are, who may change them, whether they are free."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from firewalker.local.problems import CannotStartError

if TYPE_CHECKING:
    from collections.abc import Mapping

HOST = "127.0.0.1"

DEFAULTS: Mapping[str, int] = {
    "FIREWALKER_USER_PORT": 50051,
    "FIREWALKER_STEP_PORT": 50052,
    "FIREWALKER_NOTIFICATION_PORT": 50053,
    "FIREWALKER_USER_INTERNAL_PORT": 50061,
    "FIREWALKER_STEP_INTERNAL_PORT": 50062,
    "FIREWALKER_NOTIFICATION_INTERNAL_PORT": 50063,
    "FIREWALKER_TRANSCODER_PORT": 8080,
    "FIREWALKER_USER_MEDIA_PORT": 8081,
    "FIREWALKER_USER_METRICS_PORT": 9464,
    "FIREWALKER_STEP_METRICS_PORT": 9465,
    "FIREWALKER_NOTIFICATION_METRICS_PORT": 9466,
    "FIREWALKER_TRANSCODER_METRICS_PORT": 9467,
    "FIREWALKER_EMULATOR_PORT": 8090,
    "FIREWALKER_EMULATOR_TLS_PORT": 8091,
}
"""Every port by the variable that sets it, as the contract names them."""

HIGHEST = 65_535

FREE_RANGE = range(20_000, 32_000)
"""Where free ports are taken from: below the ranges from which Linux (32768) and macOS (49152) take the ports of outgoing
connections, so that no client connection occupies a port while its server restarts."""

_STRETCH = 600
"""Ports of one process that asks for free ones."""

_APART = 60
"""Ports of one answer, those that are left unused included."""

_turns = count()


def chosen(environment: Mapping[str, str]) -> dict[str, int]:
    """The ports that *environment* asks for, defaults for the rest.

    Raises:
        CannotStartError: A value is not a port, or two are the same.
    """
    ports = {
        variable: _port(variable, environment.get(variable) or str(default)) for variable, default in DEFAULTS.items()
    }
    owner: dict[int, str] = {}
    for variable, port in ports.items():
        if port in owner:
            message = f"{owner[port]} and {variable} are both {port}; give one of them another port."
            raise CannotStartError(message)
        owner[port] = variable
    return ports


def free() -> dict[str, int]:
    """Ports that are free now, one for each variable; for tests.

    Every process draws from a stretch of its own, as long as it lives, so that backends which start at the same time do
    not choose the same ports. Behind each answer's ports lie unused ones: workers count theirs up from the first.
    """
    stretch = _own_stretch()
    for _ in range(len(stretch) // _APART):
        begin = stretch.start + next(_turns) * _APART % len(stretch)
        found = [port for port in range(begin, begin + _APART) if _is_free(port)][: len(DEFAULTS)]
        if len(found) == len(DEFAULTS):
            return dict(zip(DEFAULTS, found, strict=True))
    message = f"No ports are free between {stretch.start} and {stretch.stop}."
    raise CannotStartError(message)


@cache
def _own_stretch() -> range:
    """A stretch of `FREE_RANGE` that no other process has, kept until this one ends."""
    folder = Path(tempfile.gettempdir()) / f"firewalker-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    starts = list(FREE_RANGE[::_STRETCH])
    # Not the program's generator: tests seed that, and two runs at once would then try the same stretches.
    random.SystemRandom().shuffle(starts)
    for start in starts:
        lock = os.open(folder / str(start), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        return range(start, start + _STRETCH)  # the lock stays open as long as the process
    return range(starts[0], starts[0] + _STRETCH)


def require_free(ports: Mapping[str, int]) -> None:
    """Return if every port can be listened on.

    Raises:
        CannotStartError: One is taken or not ours to use; the text names it and the variable that changes it.
    """
    for variable, port in ports.items():
        if not _is_free(port):
            message = f"Port {port} is taken by another program; stop that one, or set {variable} to a free port."
            raise CannotStartError(message)


def _port(variable: str, text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= HIGHEST:
        return int(text)
    message = f"{variable} is {text!r}; it has to be a port, a number from 1 to {HIGHEST}."
    raise CannotStartError(message)


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        # As the services themselves do: connections of an ended run that linger do not count.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except PermissionError:
            message = f"Port {port} may be listened on by root only; choose one above 1023."
            raise CannotStartError(message) from None
        except OSError as problem:
            if problem.errno == errno.EADDRINUSE:
                return False
            raise
    return True
