"""OAuth access tokens of the service account: asked for once, however many wait, and renewed before they expire."""

import asyncio
import json
import random
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import httpx
import jwt
import structlog
from prometheus_client import Counter

from firewalker.kernel.clock import Clock
from firewalker.notification.fcm.credentials import CredentialsFile, ServiceAccount
from firewalker.runtime.metrics import REGISTRY

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
"""The least that sending needs."""

AUDIENCE: Final = "https://oauth2.googleapis.com/token"
"""Whom an assertion is for: this, whatever the token endpoint's own address (google-auth)."""

ASSERTION_S = 3_600
RENEW_BEFORE_S = 225.0
"""A token is renewed so long before it expires (google-auth: 3 min 45 s)."""

USELESS_BEFORE_S = 10.0
"""So long before it expires a token is not sent any more: the message would arrive without one."""

ATTEMPTS = 3
FIRST_PAUSE_S = 1.0
ASK_S = 10.0

_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
_PASSING_ERRORS: Final = frozenset({"internal_failure", "server_error", "temporarily_unavailable"})

_ASKED = Counter(
    "firewalker_fcm_token_requests_total", "Requests for an access token, by outcome.", ["outcome"], registry=REGISTRY
)
for _outcome in ("given", "failed"):
    _ASKED.labels(_outcome)
_log = structlog.get_logger(__name__)


class NoAccessToken(Exception):
    """None is to be had now. *passing*: asking again later may help without anybody mending anything."""

    def __init__(self, why: str, *, passing: bool) -> None:
        super().__init__(why)
        self.passing = passing


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token; *until* is by the monotonic clock. Its text is a secret, so it has no representation."""

    text: str
    until: float
    key_id: str

    def __repr__(self) -> str:
        """Without the secret (FCM-20)."""
        return "AccessToken(…)"


class AccessTokens:
    """The present token of the account in *credentials*."""

    def __init__(self, credentials: CredentialsFile, client: httpx.AsyncClient, clock: Clock) -> None:
        self._credentials = credentials
        self._client = client
        self._clock = clock
        self._token: AccessToken | None = None
        self._asking: asyncio.Task[AccessToken] | None = None
        self._not_before = float("-inf")

    async def current(self) -> AccessToken:
        """A token that is good for a message sent now.

        While one is good it is given at once; shortly before it expires another is asked for beside.

        Raises:
            NoAccessToken: None is good and none is to be had.
        """
        token, now = self._token, self._clock.monotonic()
        good = token is not None and now < token.until - USELESS_BEFORE_S
        if token is not None and good and token.key_id == self._credentials.current().key_id:
            if now >= token.until - RENEW_BEFORE_S and now >= self._not_before:
                self._begin()
            return token
        try:
            return await asyncio.shield(self._begin())
        except NoAccessToken:
            if token is not None and good:
                return token  # of the account before, which may still be let in
            raise

    def refused(self, token: AccessToken) -> None:
        """FCM did not take *token*: it is not used again. Telling it of the same one again changes nothing."""
        if self._token is token:
            self._token = None

    async def close(self) -> None:
        """Give up a request under way."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def _begin(self) -> "asyncio.Task[AccessToken]":
        """The one request under way."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._renew(), name="fcm access token")
            self._asking.add_done_callback(_look)
        return self._asking

    async def _renew(self) -> AccessToken:
        account = self._credentials.current()
        pause_s = FIRST_PAUSE_S
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._token = await self._ask(account)
            except NoAccessToken as error:
                _ASKED.labels("failed").inc()
                if not error.passing or attempt == ATTEMPTS:
                    _log.warning("fcm_access_token_refused", why=str(error), passing=error.passing)
                    self._not_before = self._clock.monotonic() + ASK_S
                    raise
                await asyncio.sleep(pause_s * random.uniform(0.9, 1.1))  # noqa: S311 - spreads, protects nothing
                pause_s *= 2
            else:
                _ASKED.labels("given").inc()
                return self._token
        raise AssertionError("unreachable")  # pragma: no cover

    async def _ask(self, account: ServiceAccount) -> AccessToken:
        now = int(self._clock.now().timestamp())
        claims = {"iss": account.client_email, "aud": AUDIENCE, "scope": SCOPE, "iat": now, "exp": now + ASSERTION_S}
        assertion = jwt.encode(claims, account.key, algorithm="RS256", headers={"kid": account.key_id})
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
        asked = self._clock.monotonic()
        try:
            async with asyncio.timeout(ASK_S):
                response = await self._client.post(account.token_uri, data=form)
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            raise NoAccessToken(type(error).__name__, passing=True) from None
        text, lives_s = _read(response)
        return AccessToken(text, asked + lives_s, account.key_id)


def _read(response: httpx.Response) -> tuple[str, float]:
    """The token and for how many seconds it is good; `expires_in` comes as a number or as text (FCM-03)."""
    try:
        found = json.loads(response.content)
    except ValueError:
        found = {}
    found = found if isinstance(found, dict) else {}
    if response.status_code != HTTPStatus.OK:
        error = found.get("error")
        passing = response.status_code in _PASSING or error in _PASSING_ERRORS
        raise NoAccessToken(f"http_{response.status_code}", passing=passing)
    text = found.get("access_token")
    try:
        lives_s = float(found.get("expires_in", ""))
    except (TypeError, ValueError):
        lives_s = 0
    if not isinstance(text, str) or not text or not 0 < lives_s <= 24 * ASSERTION_S:
        raise NoAccessToken("malformed", passing=True)
    return text, lives_s


def _look(task: "asyncio.Task[AccessToken]") -> None:
    """A renewal that nobody waited for may fail: the present token is still good."""
    if not task.cancelled():
        task.exception()
