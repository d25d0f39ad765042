"""Whether one process of this machine serves: what a container's health check asks, inside the container."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

from firewalker.cli.addresses import LOOPBACK, Addresses
from firewalker.cli.terminal import CommandError, out
from firewalker.local.readiness import grpc_serving, http_ok
from firewalker.local.secrets import SERVICES

if TYPE_CHECKING:
    from collections.abc import Mapping


async def check(process: str, environment: Mapping[str, str] = os.environ) -> None:
    """Say that *process* serves, on the port that its variables name.

    Raises:
        CommandError: It does not, or there is no such process.
    """
    if process not in (*SERVICES, "transcoder"):
        raise CommandError(f"There is no process {process}; there are {', '.join(SERVICES)} and transcoder.")
    try:
        address = getattr(Addresses.of(LOOPBACK, environment), process)
    except ValueError as problem:
        raise CommandError(str(problem)) from None
    if process == "transcoder":
        serves = await http_ok(address.host, address.port, "/readyz")
    else:
        encrypted = environment.get(f"FIREWALKER_{process.upper()}_TLS_CERTIFICATE_FILE")
        serves = await grpc_serving(address.host, address.port, _unchecked() if encrypted else None)
    if not serves:
        raise CommandError(f"{process} does not serve at {address}.")
    out.print(f"{process} serves at {address}.")


def _unchecked() -> ssl.SSLContext:
    """TLS to whoever has the port on this machine: the certificate is for the name by which others know it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context
