"""Verifying id_tokens of Kakao, Google and Apple: their keys are fetched and kept, and nothing else is ever asked of them.

A key set is read again for a key that is not in it, at most once a minute however many strange keys come, and kept for at most
a day while its provider does not answer. Who signs in with a password never waits for any of this.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from firewalker.kernel.clock import Clock
from firewalker.runtime.config import ConfigError
from firewalker.runtime.tasks import end
from firewalker.user.domain.provider import Identity, Provider, Trust, identity_of
from firewalker.user.domain.provider_faults import IdTokenInvalid, ProviderNotOffered, ProviderUnavailable

ALGORITHM = "RS256"
"""What all three sign with; never taken from a token."""

MAX_TOKEN_BYTES = 8_192
MAX_KEY_SET_BYTES = 262_144
MIN_KEY_BITS = 2_048
FETCH_S = 3.0
"""Longest wait for a provider's keys."""

AGAIN_S = 60.0
"""Least time between two fetches of one key set (AUTH-53)."""

FRESH_S = 3_600.0
"""After so long a key set is read again before it is used, if its provider answers."""

KEPT_S = 86_400.0
"""How long one is used that cannot be read again."""

_KNOWN = {
    Provider.KAKAO: (("https://kauth.kakao.com",), "https://kauth.kakao.com/.well-known/jwks.json"),
    Provider.GOOGLE: (
        ("https://accounts.google.com", "accounts.google.com"),
        "https://www.googleapis.com/oauth2/v3/certs",
    ),
    Provider.APPLE: (("https://appleid.apple.com",), "https://appleid.apple.com/auth/keys"),
}
"""Issuers and key sets, as the providers document them."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """A provider that is offered: what is believed of it, and where its keys are."""

    trust: Trust
    jwks_url: str


def read_sources(path: Path | None) -> dict[Provider, Source]:
    """The providers in a file such as ``{"GOOGLE": {"audiences": ["…apps.googleusercontent.com"]}}``; none without a file.

    *issuers* and *jwks_url* can be set too; they are the providers' own unless they are.

    Raises:
        ConfigError: The file says something else.
    """
    if path is None:
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {Provider[name]: _source(Provider[name], settings) for name, settings in document.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: not the settings of providers ({type(error).__name__})") from None


def _source(provider: Provider, settings: Mapping[str, Any]) -> Source:
    issuers, url = _KNOWN[provider]
    audiences = settings["audiences"]
    issuers, url = settings.get("issuers", issuers), settings.get("jwks_url", url)
    if not audiences or not all(isinstance(text, str) for text in (*audiences, *issuers, url)):
        raise ValueError("audiences are a list of texts")
    place = urlsplit(url)
    if place.scheme != "https" and place.hostname not in {"127.0.0.1", "localhost"}:
        raise ValueError("keys are read over https")
    if settings.keys() - {"audiences", "issuers", "jwks_url"}:
        raise ValueError("there is no such setting")
    return Source(Trust(frozenset(issuers), frozenset(audiences)), url)


class IdTokens:
    """Turns id_tokens into the identities they are about."""

    def __init__(self, sources: Mapping[Provider, Source], clock: Clock) -> None:
        self._sources = sources
        self._clock = clock
        self._http = httpx.AsyncClient(timeout=FETCH_S, follow_redirects=False)
        self._keys = {provider: _KeySet(source.jwks_url, self._http, clock) for provider, source in sources.items()}
        self._jwt = jwt.PyJWT()

    async def close(self) -> None:
        """Close the connections."""
        for keys in self._keys.values():
            await keys.close()
        await self._http.aclose()

    async def verify(self, provider: Provider, token: str, nonce: str | None) -> Identity:
        """Who *token* is about.

        Raises:
            IdTokenInvalid: It is not one of the provider's, or not for us, or not of now.
            ProviderNotOffered: The provider is not set up.
            ProviderUnavailable: Its keys cannot be read.
        """
        source = self._sources.get(provider)
        if source is None:
            raise ProviderNotOffered
        key = await self._keys[provider].find(_key_id(token))
        if key is None:
            raise IdTokenInvalid
        try:
            # Times and names are judged by the domain, by our clock.
            claims = self._jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                options={
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "verify_aud": False,
                    "verify_iss": False,
                    "verify_sub": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise IdTokenInvalid from error
        return identity_of(provider, claims, source.trust, nonce, self._clock.now())

    async def verify_any(self, token: str) -> Identity:
        """The same for a token of which it was not told whose it is; it says so itself, and is then verified as such."""
        if len(token) > MAX_TOKEN_BYTES:
            raise IdTokenInvalid
        try:
            issuer = self._jwt.decode(token, options={"verify_signature": False}).get("iss")
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise IdTokenInvalid from error
        for provider, source in self._sources.items():
            if issuer in source.trust.issuers:
                return await self.verify(provider, token, None)
        raise IdTokenInvalid


class _KeySet:
    """The keys of one provider."""

    def __init__(self, url: str, http: httpx.AsyncClient, clock: Clock) -> None:
        self._url = url
        self._http = http
        self._clock = clock
        self._keys: Mapping[str, RSAPublicKey] = {}
        self._read = self._tried = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Fetch no more."""
        await end([self._fetching])

    async def find(self, key_id: str) -> RSAPublicKey | None:
        """The key of that id; None if the provider has none.

        Raises:
            ProviderUnavailable: There are no keys to look at.
        """
        now = self._clock.monotonic()
        if key_id not in self._keys or now - self._read > FRESH_S:
            if self._fetching is None and now - self._tried >= AGAIN_S:
                self._tried = now
                self._fetching = asyncio.create_task(self._fetch(now), name="keys of a provider")
                self._fetching.add_done_callback(self._fetched)
            if self._fetching is not None:
                # Shielded: who leaves must not take the keys from the others, nor spoil the only try of this minute.
                await asyncio.shield(self._fetching)
        if now - self._read > KEPT_S:
            raise ProviderUnavailable
        return self._keys.get(key_id)

    def _fetched(self, _: "asyncio.Task[None]") -> None:
        self._fetching = None

    async def _fetch(self, now: float) -> None:
        try:
            async with asyncio.timeout(FETCH_S), self._http.stream("GET", self._url) as answer:
                answer.raise_for_status()
                body = b""
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_KEY_SET_BYTES:
                        raise ValueError("a key set of that size")  # noqa: TRY301 - one way out
            self._keys = _parsed(body)
            self._read = now
        except (httpx.HTTPError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            _log.warning("keys of a provider cannot be read", url=self._url, error=type(error).__name__)


def _parsed(body: bytes) -> dict[str, RSAPublicKey]:
    """The RSA keys of a key set that may sign; others are passed over."""
    keys: dict[str, RSAPublicKey] = {}
    for entry in json.loads(body)["keys"]:
        if entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig" or not isinstance(entry.get("kid"), str):
            continue
        try:
            key = jwt.PyJWK(entry, ALGORITHM).key
        except jwt.PyJWTError:
            continue
        if isinstance(key, RSAPublicKey) and key.key_size >= MIN_KEY_BITS:
            keys[entry["kid"]] = key
    if not keys:
        raise ValueError("no key that could sign")
    return keys


def _key_id(token: str) -> str:
    if len(token) > MAX_TOKEN_BYTES or not token.isascii():
        raise IdTokenInvalid
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise IdTokenInvalid from error
    if header.get("alg") != ALGORITHM or not isinstance(header.get("kid"), str):
        raise IdTokenInvalid
    return str(header["kid"])
