"""The service account's file: read when it changes, never shown."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from firewalker.runtime.config import ConfigError

GOOGLE_TOKEN_URI: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Who signs for the project."""

    project_id: str
    client_email: str
    key_id: str
    token_uri: str
    key: RSAPrivateKey = field(repr=False, compare=False)


class CredentialsFile:
    """The file *path*. A new one is taken when it is whole; until then, and if it never is, the old one stays."""

    def __init__(self, path: Path) -> None:
        """Read it.

        Raises:
            ConfigError: It is no service account.
        """
        self._path = path
        self._seen = self._look()
        self._account = read_service_account(path)

    def current(self) -> ServiceAccount:
        """The account that the file holds now. Costs one look at the folder."""
        seen = self._look()
        if seen is not None and seen != self._seen:
            self._seen = seen
            try:
                self._account = read_service_account(self._path)
                _log.info("fcm_credentials_read", key_id=self._account.key_id[:8])
            except (ConfigError, OSError):
                _log.error("fcm_credentials_unreadable")
        return self._account

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def read_service_account(path: Path) -> ServiceAccount:
    """The service account in *path*, as Google's console makes it.

    Raises:
        ConfigError: It is none; the text shows nothing of it.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
        key = load_pem_private_key(str(found["private_key"]).encode(), None)
        project, email, key_id = (str(found[name]) for name in ("project_id", "client_email", "private_key_id"))
    except (ValueError, TypeError, KeyError):
        raise ConfigError(f"{path} holds no service account") from None
    token_uri = str(found.get("token_uri") or GOOGLE_TOKEN_URI)
    if (
        not isinstance(key, RSAPrivateKey)
        or not (project and email and key_id)
        or urlsplit(token_uri).scheme != "https"
    ):
        raise ConfigError(f"{path} holds no service account")
    return ServiceAccount(project, email, key_id, token_uri, key)
