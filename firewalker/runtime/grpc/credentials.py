"""How services prove to each other who they are: a random token each, known to others only by its hash."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from firewalker.kernel.faults import ServiceCredentialInvalid
from firewalker.runtime.config import ConfigError

_LINE = re.compile(r"(?P<name>[a-z][a-z0-9-]*) +(?P<hash>[0-9a-f]{64})")
_MAX_TOKEN_BYTES = 256


class ServiceCredentials:
    """The services whose calls are taken on the internal port."""

    def __init__(self, names: Mapping[bytes, str]) -> None:
        """*names* maps the SHA-256 digest of a token to the service that holds it."""
        self._names = dict(names)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read lines of a name, a blank and the SHA-256 of its token in hexadecimal; `#` starts a comment line.

        Raises:
            ConfigError: A line is something else, or there is none.
        """
        names: dict[bytes, str] = {}
        for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            match = _LINE.fullmatch(line.strip())
            if match is None:
                raise ConfigError(f"{path}:{number}: expected a service name and a SHA-256 in hexadecimal")
            names[bytes.fromhex(match["hash"])] = match["name"]
        if not names:
            raise ConfigError(f"{path}: no service may call; at least one line is needed")
        return cls(names)

    def verify(self, token: str) -> str:
        """The name of the service that holds *token*.

        Tokens are 256 random bits, so that finding one by the time of a dictionary lookup of its hash is hopeless.

        Raises:
            ServiceCredentialInvalid: Nobody does.
        """
        if len(token) > _MAX_TOKEN_BYTES:
            raise ServiceCredentialInvalid
        name = self._names.get(hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest())
        if name is None:
            raise ServiceCredentialInvalid
        return name


def read_service_token(path: Path) -> str:
    """This service's own token: the one line of *path*.

    Raises:
        ConfigError: It is empty or not one word.
    """
    text = path.read_text(encoding="ascii").strip()
    if not text or len(text.split()) != 1:
        raise ConfigError(f"{path}: expected one line with a service token")
    return text
