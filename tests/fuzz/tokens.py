"""Text as an access token: refused with a fault; accepted only if it is a token of ours in every respect."""

import json
from base64 import urlsafe_b64encode
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firewalker.kernel.faults import AccessTokenExpired, Unauthenticated
from firewalker.runtime.tokens import ALGORITHM, AUDIENCE, ISSUER, LEEWAY, LIFETIME, TYPE, AccessTokens
from tests.support.clock import NOON, FakeClock
from tests.support.signing import Signer

_SIGNED = 0x1
_OWN_HEADER = 0x2


@cache
def signer() -> Signer:
    """The same key in every run, so that the corpus stays good."""
    return Signer("key-1", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def run(data: bytes) -> None:
    """The first byte says whether the rest is a token, or claims (and, behind a zero byte, a header) to be signed."""
    if not data:
        return
    mode, body = data[0], data[1:]
    if not mode & _SIGNED:
        text = body.decode("latin-1")
    elif mode & _OWN_HEADER:
        header, _, claims = body.partition(b"\0")
        text = signed(header, claims)
    else:
        text = signed(json.dumps({"typ": TYPE, "alg": ALGORITHM, "kid": "key-1"}).encode(), body)
    tokens = AccessTokens(signer().ring(), clock=FakeClock())
    try:
        principal = tokens.verify(text)
    except (Unauthenticated, AccessTokenExpired):
        return
    assert mode & _SIGNED, "a token that nobody signed was accepted"
    claims_read = json.loads(body.partition(b"\0")[2] if mode & _OWN_HEADER else body)
    assert (claims_read["iss"], claims_read["aud"]) == (ISSUER, AUDIENCE)
    assert principal.expires - principal.issued <= LIFETIME
    assert principal.expires + LEEWAY > NOON
    assert principal.issued <= NOON + LEEWAY


def signed(header: bytes, claims: bytes) -> str:
    """A token of those parts with a good signature."""
    head = _encode(header) + b"." + _encode(claims)
    return (head + b"." + _encode(signer().private_key.sign(head))).decode("ascii")


def _encode(part: bytes) -> bytes:
    return urlsafe_b64encode(part).rstrip(b"=")
