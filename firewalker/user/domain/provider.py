"""Signing in with others' identities: what an id_token has to say to be believed. Its signature is `id_tokens`'s work."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from firewalker.user.domain.email import Email, parse_email
from firewalker.user.domain.provider_faults import IdTokenInvalid

LEEWAY = timedelta(seconds=30)
"""How far a provider's clock may differ from ours."""

MAX_AGE = timedelta(hours=1)
"""An id_token shows that somebody has just signed in over there; older ones are not taken, whatever they say themselves."""

MAX_SUBJECT_LENGTH = 255
"""OpenID Connect Core, section 2."""


class Provider(Enum):
    """Who vouches for identities."""

    KAKAO = 1
    GOOGLE = 2
    APPLE = 3


@dataclass(frozen=True, slots=True)
class Trust:
    """What is believed of one provider: tokens of these issuers, made for these apps of ours."""

    issuers: frozenset[str]
    audiences: frozenset[str]


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody at a provider. *email* only if the provider vouches for it."""

    provider: Provider
    subject: str
    email: Email | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """An identity that an account can be signed in to with."""

    identity: Identity
    create_time: datetime


def identity_of(
    provider: Provider, claims: Mapping[str, Any], trust: Trust, nonce: str | None, at: datetime
) -> Identity:
    """Who the claims of a token whose signature is right are about.

    *nonce* is what the app has; the token has its SHA-256 in hexadecimal. Both or neither: a token that was made with a
    nonce is worth nothing to who does not know it.

    Raises:
        IdTokenInvalid: They are not for us, not of now, or not whole.
    """
    audience = claims.get("aud")
    if isinstance(audience, list):
        audience = audience[0] if len(audience) == 1 else None
    if claims.get("iss") not in trust.issuers or not isinstance(audience, str) or audience not in trust.audiences:
        raise IdTokenInvalid
    now, leeway = at.timestamp(), LEEWAY.total_seconds()
    issued, expires = claims.get("iat"), claims.get("exp")
    if type(issued) is not int or type(expires) is not int:
        raise IdTokenInvalid
    if not now - MAX_AGE.total_seconds() - leeway < issued <= now + leeway or expires + leeway <= now:
        raise IdTokenInvalid
    told = claims.get("nonce")
    if (told is None) != (nonce is None):
        raise IdTokenInvalid
    if nonce is not None:
        expected = hashlib.sha256(nonce.encode()).hexdigest()
        if not isinstance(told, str) or not hmac.compare_digest(told.encode(), expected.encode()):
            raise IdTokenInvalid
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_LENGTH or not subject.isascii():
        raise IdTokenInvalid
    return Identity(provider, subject, _email(claims))


def _email(claims: Mapping[str, Any]) -> Email | None:
    """The address, if the provider says that it is confirmed; Apple says so as text."""
    text = claims.get("email")
    confirmed = claims.get("email_verified") in (True, "true")
    return parse_email(text) if confirmed and isinstance(text, str) else None
