"""Makes the keys and service credentials of a local run, once. Services read them as files and know nothing of this.

In production the same files come from a secret store; their formats are the services' and are documented with their
configuration.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firewalker.emulator.keys import new_authority, new_service_account
from firewalker.local.files import locked, make_private_folder, write_whole
from firewalker.local.signing_keys import keep_keys

if TYPE_CHECKING:
    from pathlib import Path

SERVICES = ("user", "step", "notification")
KEY_BYTES = 32
"""256 bits, for keys of HMAC-SHA-256 and for tokens alike."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The files, all readable by their owner only."""

    folder: Path

    @property
    def access_token_key(self) -> Path:
        """Ed25519 private key, PEM of PKCS#8; signs access tokens. For the user service only."""
        return self.folder / "access_token.pem"

    @property
    def next_access_token_key(self) -> Path:
        """The one that signs after the next rotation."""
        return self.folder / "access_token.next.pem"

    @property
    def jwks(self) -> Path:
        """The public side: a JSON Web Key Set of both, the active one first, and of those that retire."""
        return self.folder / "jwks.json"

    @property
    def refresh_key(self) -> Path:
        """32 bytes, base64url; refresh tokens are derived from it. For the user service only."""
        return self.folder / "refresh_token.key"

    @property
    def page_key(self) -> Path:
        """32 bytes, base64url; seals page tokens."""
        return self.folder / "page_token.key"

    @property
    def log_key(self) -> Path:
        """32 bytes, base64url; keys the pseudonyms of users in logs."""
        return self.folder / "log_pseudonym.key"

    @property
    def allowed_services(self) -> Path:
        """Lines of a service's name and the SHA-256 of its token in hex, apart by a space: who may call internally."""
        return self.folder / "services.allow"

    @property
    def fcm_account(self) -> Path:
        """Service account of the FCM emulator's project, as Google's console would make it."""
        return self.folder / "fcm_account.json"

    @property
    def fcm_authority(self) -> Path:
        """The certificate that the emulator's is checked against, PEM."""
        return self.folder / "fcm_authority.pem"

    @property
    def fcm_certificate(self) -> Path:
        """The emulator's certificate and its key, PEM."""
        return self.folder / "fcm_certificate.pem"

    def service_token(self, service: str) -> Path:
        """The credential, base64url of 32 bytes, with which *service* calls the others."""
        return self.folder / f"service-{service}.token"

    def second_service_token(self, service: str) -> Path:
        """Another that is taken for *service*'s, while one is replaced: the new one, and when that is used, the old one."""
        return self.folder / f"service-{service}.second.token"


def make_secrets(folder: Path) -> Secrets:
    """Make what is missing in *folder* and return where everything is.

    What is there is never changed, but what is derived from it (the key set and the list of services) is written anew, so
    that the two sides always agree.
    """
    made = Secrets(make_private_folder(folder))
    with locked(made.folder / ".lock"):
        for path in (made.refresh_key, made.page_key, made.log_key, *map(made.service_token, SERVICES)):
            if not path.exists():
                write_whole(path, _base64url(secrets.token_bytes(KEY_BYTES)).encode() + b"\n")
        keep_keys(made)
        tokens = [(name, path(name)) for path in (made.service_token, made.second_service_token) for name in SERVICES]
        allowed = (f"{name} {_digest(token)}\n" for name, token in tokens if token.exists())
        _keep(made.allowed_services, "".join(allowed).encode())
    return made


def make_fcm_secrets(made: Secrets, tls_port: int) -> None:
    """Make what is missing of the FCM emulator's, whose token endpoint is on *tls_port*. Not part of `make_secrets`: services
    know nothing of it, and an RSA key takes a moment.
    """
    token_uri = f"https://127.0.0.1:{tls_port}/token"
    with locked(made.folder / ".lock"):
        if not made.fcm_account.exists():
            write_whole(made.fcm_account, new_service_account(token_uri))
        account = {**json.loads(made.fcm_account.read_bytes()), "token_uri": token_uri}
        _keep(made.fcm_account, json.dumps(account, indent=2).encode() + b"\n")
        if not (made.fcm_authority.exists() and made.fcm_certificate.exists()):
            authority, certificate = new_authority()
            write_whole(made.fcm_certificate, certificate)
            write_whole(made.fcm_authority, authority)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_text().strip().encode()).hexdigest()


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _keep(path: Path, content: bytes) -> None:
    """Write *content* unless it is there already, so that a running service's file is not touched for nothing."""
    if not path.exists() or path.read_bytes() != content:
        write_whole(path, content)
