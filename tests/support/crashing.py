"""A service in a process of its own that can be killed and started again, always on the same port."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from firewalker.local import ports
from firewalker.local.secrets import Secrets
from tests.support.replicas import replica_url
from tests.support.signing import Signer


def signer_of(secrets: Secrets) -> Signer:
    key = load_pem_private_key(secrets.access_token_key.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    jwk, *_ = json.loads(secrets.jwks.read_text())["keys"]
    return Signer(jwk["kid"], key)


class Crashing:
    """The process, and how to end it."""

    def __init__(self, name: str, settings: Mapping[str, object], log: Path) -> None:
        """*name* is the service's; *settings* are its own, by name without prefix, beside the ports."""
        free, prefix = ports.free(), f"FIREWALKER_{name.upper()}_"
        self.port = free[f"{prefix}PORT"]
        self._name = name
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        ours = {key: value for key, value in os.environ.items() if not key.startswith("FIREWALKER_")}
        own = {"PORT": self.port, "INTERNAL_PORT": free[f"{prefix}INTERNAL_PORT"], **settings}
        self._environment = ours | {f"{prefix}{key}": str(value) for key, value in own.items()}

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"firewalker.{self._name}"], env=self._environment, stdout=log, stderr=log
            )

    def end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(60)


@contextlib.contextmanager
def crashing(
    name: str, mysql_url: str, redis_url: str, secrets: Secrets, log: Path, **more: object
) -> Iterator[Crashing]:
    """Service *name* on these servers, started; killed at the end. *more* are further settings."""
    settings = {
        "MYSQL_URL": mysql_url,
        "REDIS_URL": redis_url,
        "JWKS_FILE": secrets.jwks,
        "SERVICE_TOKEN_FILE": secrets.service_token(name),
        "SERVICE_ALLOW_FILE": secrets.allowed_services,
        "PAGE_KEY_FILE": secrets.page_key,
        **({} if (replica := replica_url(mysql_url)) is None else {"MYSQL_REPLICA_URL": replica}),
        **more,
    }
    service = Crashing(name, settings, log)
    service.start()
    try:
        yield service
    finally:
        service.end(signal.SIGKILL)
