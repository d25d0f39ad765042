"""The ports of a local run: which there are, who may change them, whether they are free."""

from __future__ import annotations

import errno
import random
import socket
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
    """Ports that are free now, one for each variable; for tests."""
    found: list[int] = []
    candidates = list(FREE_RANGE)
    # Not the program's generator: tests seed that, and two runs at once would then choose the same ports.
    random.SystemRandom().shuffle(candidates)
    for port in candidates:
        if len(found) == len(DEFAULTS):
            break
        if _is_free(port):
            found.append(port)
    return dict(zip(DEFAULTS, found, strict=True))


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
