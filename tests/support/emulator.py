"""An FCM emulator for tests, in the test's own process, and its keys."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from firewalker.emulator.fcm import Fcm
from firewalker.emulator.keys import new_authority, new_service_account
from firewalker.emulator.ledger import Record
from firewalker.emulator.server import Emulator


@lru_cache(maxsize=1)
def _keys() -> tuple[bytes, bytes, bytes]:
    """Made once: an RSA key costs a tenth of a second."""
    return (new_service_account("https://127.0.0.1:1/token"), *new_authority())


@dataclass(frozen=True, slots=True)
class Google:
    """The emulator and where it is."""

    fcm: Fcm
    url: str
    plain_url: str
    credentials: Path
    ca_file: Path
    ledger_file: Path

    @property
    def records(self) -> list[Record]:
        return self.fcm.ledger.records

    @property
    def accepted(self) -> list[Record]:
        return [record for record in self.records if record.accepted]

    def settings(self, **more: Any) -> dict[str, Any]:
        """What a notification service is told to use it."""
        return {
            "fcm_base_url": self.url,
            "fcm_credentials": self.credentials,
            "fcm_ca_file": self.ca_file,
            "fcm_ramp_s": 0,
            **more,
        }


def write_account(path: Path, account: bytes, tls_port: int) -> None:
    """The service account's file, with the emulator's token endpoint."""
    found = json.loads(account) | {"token_uri": f"https://127.0.0.1:{tls_port}/token"}
    path.write_text(json.dumps(found))


@asynccontextmanager
async def google(folder: Path) -> AsyncIterator[Google]:
    """A fresh emulator on free ports."""
    account, authority, certificate = _keys()
    (folder / "server.pem").write_bytes(certificate)
    (folder / "ca.pem").write_bytes(authority)
    async with Emulator(account=account, certificate=folder / "server.pem", ledger=folder / "ledger") as emulator:
        write_account(folder / "account.json", account, emulator.tls_port)
        yield Google(
            emulator.fcm,
            f"https://127.0.0.1:{emulator.tls_port}",
            f"http://127.0.0.1:{emulator.port}",
            folder / "account.json",
            folder / "ca.pem",
            folder / "ledger",
        )
