"""Where the public gRPC ports of a backend are. The clients among the commands ask nobody else."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

from firewalker.cli.terminal import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PORTS = {"user": 50051, "step": 50052, "notification": 50053, "transcoder": 8080}
"""Ports of `firewalker up` (contract). The environment moves them: FIREWALKER_USER_PORT and so on."""

LOOPBACK = "127.0.0.1"

CONNECT_LIMIT_S = 5.0


class Address(NamedTuple):
    """A host and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        """As people write it: ``127.0.0.1:50051``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Addresses:
    """The ports that clients use."""

    user: Address
    step: Address
    notification: Address
    transcoder: Address

    @classmethod
    def of(cls, host: str = LOOPBACK, environment: Mapping[str, str] = os.environ) -> Self:
        """All on *host*, on the ports that *environment* names, else on the default ones.

        Raises:
            ValueError: A variable holds no port number; the text names it.
        """
        return cls(**{name: Address(host, _port(name, environment)) for name in DEFAULT_PORTS})


async def require_listening(*addresses: Address) -> None:
    """Return if something listens at each of *addresses*, so that a command need not wait for a backend that is not there.

    Raises:
        CommandError: Nothing does; the text says what to do.
    """
    for address in addresses:
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                _, writer = await asyncio.open_connection(*address)
        except OSError:
            message = f"No backend answers at {address}. Start one with `firewalker up` (or `make run`) and wait until it is ready."
            raise CommandError(message) from None
        writer.close()


def _port(name: str, environment: Mapping[str, str]) -> int:
    variable = f"FIREWALKER_{name.upper()}_PORT"
    text = environment.get(variable, "")
    if not text:
        return DEFAULT_PORTS[name]
    if not text.isdecimal() or not 0 < int(text) <= 0xFFFF:  # noqa: PLR2004 - the largest TCP port
        message = f"{variable} is {text!r}, which is no port number."
        raise ValueError(message)
    return int(text)
