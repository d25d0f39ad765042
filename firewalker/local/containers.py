"""Deals out secrets to containers: each process finds its own in its volume, and no other's. compose.yaml runs this first.

    python -m firewalker.local.containers

What is made is made by `secrets` and, for MySQL, here; all of it is kept in a volume that nobody else sees.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from firewalker.local.files import write_whole
from firewalker.local.plan import DATABASES
from firewalker.local.secrets import SERVICES, Secrets, make_fcm_secrets, make_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

UID = 10_001
"""Of the image's user."""

VOLUMES = Path("/run/firewalker")
"""Where compose.yaml mounts a volume for each, and ``all``."""

FILES = Path("/var/lib/firewalker")
"""The volume of the user service's mails and pictures, which is root's when it is new."""

FCM_PORT = 8091
"""Of the emulator's HTTPS, beside the notification service."""

PASSWORD_BYTES = 32


def deal(volumes: Path, uid: int) -> None:
    """Make what is missing below ``all`` of *volumes*, and give every process its own, readable by *uid* alone.

    MySQL gets statements that make databases and users; its own user, whoever that is, has to be able to read them.
    """
    made = make_secrets(volumes / "all")
    make_fcm_secrets(made, FCM_PORT)
    passwords = {service: _password(made, service) for service in SERVICES}
    for name, files in _shares(made, passwords).items():
        folder = volumes / name
        folder.mkdir(exist_ok=True)
        for file, content in files.items():
            write_whole(folder / file, content)
            os.chown(folder / file, uid, uid)
        folder.chmod(0o700)
        os.chown(folder, uid, uid)
    (volumes / "mysql").mkdir(exist_ok=True)
    write_whole(volumes / "mysql" / "users.sql", _statements(passwords).encode(), 0o444)


def _shares(made: Secrets, passwords: Mapping[str, str]) -> dict[str, dict[str, bytes]]:
    """What is in the volume of each process, by name."""
    files = {
        service: [made.jwks, made.allowed_services, made.page_key, made.log_key, made.service_token(service)]
        for service in SERVICES
    }
    files["user"] += [made.access_token_key, made.refresh_key]
    files["notification"] += [made.fcm_account, made.fcm_authority]
    files["emulator"] = [made.fcm_account, made.fcm_certificate]
    shares = {name: {path.name: path.read_bytes() for path in paths} for name, paths in files.items()}
    for service, password in passwords.items():
        shares[service]["mysql.url"] = f"mysql://{service}:{password}@mysql/{DATABASES[service]}\n".encode()
    return shares


def _password(made: Secrets, service: str) -> str:
    """MySQL's for *service*, made once; of characters that neither a URL nor SQL minds."""
    path = made.folder / f"mysql-{service}.password"
    if not path.exists():
        write_whole(path, secrets.token_urlsafe(PASSWORD_BYTES).encode())
    return path.read_text()


def _statements(passwords: Mapping[str, str]) -> str:
    """A database for each service and a user who may do everything in it, and nothing elsewhere."""
    lines = []
    for service, password in passwords.items():
        lines += [
            f"CREATE DATABASE IF NOT EXISTS {DATABASES[service]};",
            f"CREATE USER IF NOT EXISTS '{service}'@'%' IDENTIFIED BY '{password}';",
            f"GRANT ALL ON {DATABASES[service]}.* TO '{service}'@'%';",
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    deal(VOLUMES, UID)
    os.chown(FILES, UID, UID)
