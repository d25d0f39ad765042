"""The keys of access tokens of a local run, and their rotation: *next*, then *active*, then *retiring*.

Every key stands in the key set before it signs, and stays there until nothing that it signed is good any more; so a rotation
fails no token. The order of writing keeps that so wherever it is interrupted: first the key set, then the key that signs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firewalker.local.files import locked, write_whole
from firewalker.local.problems import CannotStartError

if TYPE_CHECKING:
    from pathlib import Path

    from firewalker.local.secrets import Secrets

PUBLISHED_S = 30.0
"""How long a key has to stand in the key set before it signs: some times as long as processes take to read it again."""

RETIRING_S = 960.0
"""How long a key verifies after it signed last: the longest life of a token (15 minutes), leeway, and a minute to spare."""


def keep_keys(secrets: Secrets) -> None:
    """Make the keys that are missing, and the key set of all. Hold the folder's lock."""
    for path in (secrets.access_token_key, secrets.next_access_token_key):
        if not path.exists():
            write_whole(path, _new_private_key())
    if _public(secrets.next_access_token_key) == _public(secrets.access_token_key):
        write_whole(secrets.next_access_token_key, _new_private_key())  # a rotation was interrupted
    _write_key_set(secrets, [_jwk(secrets.access_token_key), _jwk(secrets.next_access_token_key)], time.time())


def rotate(
    secrets: Secrets, *, force: bool = False, spread_s: float = 0.0, now_s: float | None = None
) -> list[dict[str, Any]]:
    """Have the next key sign from now on, retire the one that did, and make another next one; the key set as it is then.

    Running processes read both files again within a second or two; *spread_s* is how long the files take to get to them.

    Raises:
        CannotStartError: The next key was made less than half a minute, and that, ago; with *force* that does not matter.
    """
    now_s = time.time() if now_s is None else now_s
    with locked(secrets.folder / ".lock"):
        keep_keys(secrets)
        age_s, published_s = now_s - secrets.next_access_token_key.stat().st_mtime, PUBLISHED_S + spread_s
        if age_s < published_s and not force:
            message = f"The next key is {max(0.0, age_s):.0f} s old: wait until every process has read it ({published_s:.0f} s)."
            raise CannotStartError(message)
        retired, active = _jwk(secrets.access_token_key), _jwk(secrets.next_access_token_key)
        signing, following = secrets.next_access_token_key.read_bytes(), _new_private_key()
        keys = [active, _jwk_of(following), {**retired, "exp": int(now_s + spread_s + RETIRING_S)}]
        _write_key_set(secrets, keys, now_s)
        write_whole(secrets.access_token_key, signing)
        write_whole(secrets.next_access_token_key, following)
    return states(secrets)


def states(secrets: Secrets) -> list[dict[str, Any]]:
    """The key set: the active key, the next one, then retiring ones, which tell until when as ``exp``."""
    keys: list[dict[str, Any]] = json.loads(secrets.jwks.read_text())["keys"]
    return keys


def _write_key_set(secrets: Secrets, keys: list[dict[str, Any]], now_s: float) -> None:
    """Write *keys* and those of the present set that still retire."""
    known = {key["kid"] for key in keys}
    before = states(secrets) if secrets.jwks.exists() else []
    retiring = [key for key in before if key["kid"] not in known and key.get("exp", 0) > now_s]
    content = json.dumps({"keys": [*keys, *retiring]}, indent=2).encode() + b"\n"
    if not secrets.jwks.exists() or secrets.jwks.read_bytes() != content:
        write_whole(secrets.jwks, content)


def _new_private_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public(path: Path) -> bytes:
    return _private(path.read_bytes(), path).public_key().public_bytes_raw()


def _jwk(path: Path) -> dict[str, Any]:
    return _jwk_of(path.read_bytes(), path)


def _jwk_of(pem: bytes, path: Path | None = None) -> dict[str, Any]:
    """The public key as a JWK; its id is its thumbprint (RFC 7638), so it needs no register."""
    public = _private(pem, path).public_key().public_bytes_raw()
    required = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(public)}
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True)
    return {**required, "kid": _base64url(hashlib.sha256(canonical.encode()).digest()), "alg": "EdDSA", "use": "sig"}


def _private(pem: bytes, path: Path | None) -> Ed25519PrivateKey:
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except ValueError:
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        message = f"{path} holds no Ed25519 private key; remove it to have a new one made (every session ends with it)."
        raise CannotStartError(message)
    return private


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
