"""``python -m firewalker.emulator``: serve until SIGTERM, as ``FIREWALKER_EMULATOR_…`` says."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from firewalker.emulator.server import Emulator

EXIT_CONFIG = 2
_PREFIX = "FIREWALKER_EMULATOR_"
_NEEDED = ("ACCOUNT_FILE", "CERTIFICATE_FILE")
_DEFAULTS = {"HOST": "127.0.0.1", "PORT": "8090", "TLS_PORT": "8091", "LEDGER_FILE": ""}


def settings(environment: Mapping[str, str]) -> dict[str, str]:
    """What the environment says, defaults for the rest.

    Raises:
        ValueError: Something is missing, malformed, or not known.
    """
    given = {name.removeprefix(_PREFIX): value for name, value in environment.items() if name.startswith(_PREFIX)}
    if unknown := given.keys() - _DEFAULTS.keys() - set(_NEEDED):
        raise ValueError(f"{_PREFIX}{min(unknown)}: there is no such setting")
    for name in _NEEDED:
        if not given.get(name):
            raise ValueError(f"{_PREFIX}{name} has to be set")
    found = {**_DEFAULTS, **given}
    for name in ("PORT", "TLS_PORT"):
        if not found[name].isdecimal():
            raise ValueError(f"{_PREFIX}{name} has to be a port")
    return found


async def serve(told: Mapping[str, str], account: bytes) -> None:
    """Serve until a signal says stop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    ledger = told["LEDGER_FILE"]
    emulator = Emulator(
        account=account,
        certificate=Path(told["CERTIFICATE_FILE"]),
        host=told["HOST"],
        port=int(told["PORT"]),
        tls_port=int(told["TLS_PORT"]),
        ledger=Path(ledger) if ledger else None,
    )
    async with emulator:
        sys.stdout.write(
            f"FCM is port {emulator.tls_port}, what phones show is at http://{told['HOST']}:{emulator.port}\n"
        )
        sys.stdout.flush()
        await stop.wait()


def main() -> None:
    """Read the settings and run."""
    try:
        told = settings(os.environ)
        asyncio.run(serve(told, Path(told["ACCOUNT_FILE"]).read_bytes()))
    except (ValueError, KeyError, OSError) as error:
        sys.stderr.write(f"firewalker.emulator cannot start: {error}\n")
        raise SystemExit(EXIT_CONFIG) from None


if __name__ == "__main__":
    main()
