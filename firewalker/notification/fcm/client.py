"""Asking FCM: HTTP/2 connections that are replaced at the first doubt, and an answer for every question."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from prometheus_client import Histogram

from firewalker.kernel.clock import Clock
from firewalker.notification.fcm.access_tokens import AccessToken, AccessTokens, NoAccessToken
from firewalker.notification.fcm.answers import LOCAL, NO_ACCESS_TOKEN, Answer, Kind, Scope, classify, no_answer
from firewalker.notification.fcm.credentials import CredentialsFile
from firewalker.notification.fcm.messages import faults_of
from firewalker.runtime import tracing
from firewalker.runtime.metrics import REGISTRY

GOOGLE: Final = "https://fcm.googleapis.com"

STREAMS = 96
"""Messages under way on one connection. FCM takes 100 and ends the connection at the 101st."""

ANSWER_S = 15.0
"""Longest wait for one message's answer, connecting included. FCM itself gives up after 5 s."""

CONNECT_S = 5.0

IDLE_S = 200.0
"""An idle connection is closed after so long; FCM does it after 240 s, which a message might meet (3.1)."""

OLDEST_S = 3_300.0
"""A connection is replaced at this age; FCM does it after an hour."""

_HEADERS: Final = {"content-type": "application/json", "x-goog-api-format-version": "2"}

_ANSWERED_S = Histogram(
    "firewalker_fcm_answer_seconds", "From asking FCM to its answer, or to giving up.",
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 20), registry=REGISTRY,
)  # fmt: skip


@dataclass(slots=True, eq=False)
class _Link:
    """One connection and what is under way on it."""

    client: httpx.AsyncClient
    made: float
    under_way: int = 0
    retired: bool = field(default=False)


class FcmClient:
    """Sends to *base_url*, over as many connections as *most_in_flight* messages need. One for the process."""

    def __init__(
        self,
        credentials: CredentialsFile,
        clock: Clock,
        *,
        base_url: str = GOOGLE,
        ca_file: Path | None = None,
        most_in_flight: int = STREAMS,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._credentials = credentials
        self._clock = clock
        self._base_url = base_url.rstrip("/")
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._answer_s = answer_s
        self._links: list[_Link] = []
        self._most_links = -(-most_in_flight // STREAMS)
        self._room = asyncio.Semaphore(most_in_flight)
        self._oauth = httpx.AsyncClient(verify=self._tls, timeout=CONNECT_S, trust_env=False)
        self.tokens = AccessTokens(credentials, self._oauth, clock)

    async def ask(self, body: Mapping[str, Any], attempts: int, still: Callable[[], bool] = lambda: True) -> Answer:
        """What FCM answers to *body*, which was tried *attempts* times before. Never fails but by cancellation.

        What FCM would not take is refused here, without asking; what is not *still* to be sent when everything is ready
        for it is withheld. A 401 is asked again once, with another access token.
        """
        if faults := faults_of(body):
            return Answer(Kind.REFUSED, Scope.MESSAGE, f"{LOCAL}{faults[0].partition(':')[0]}"[:64])
        async with self._room:
            answer, token = await self._ask(body, attempts, still)
            if answer.kind is Kind.UNAUTHENTICATED and token is not None:
                self.tokens.refused(token)
                answer, _ = await self._ask(body, attempts, still)
        if answer.kind is Kind.UNAUTHENTICATED:
            return Answer(Kind.PARKED, Scope.PROJECT, "unauthenticated")
        return answer

    async def close(self) -> None:
        """Close all connections; nothing may be under way."""
        await self.tokens.close()
        for link in self._links:
            await link.client.aclose()
        await self._oauth.aclose()

    async def _ask(
        self, body: Mapping[str, Any], attempts: int, still: Callable[[], bool]
    ) -> tuple[Answer, AccessToken | None]:
        try:
            token = await self.tokens.current()
        except NoAccessToken as error:
            if error.passing:
                return Answer(Kind.LATER, Scope.PROJECT, NO_ACCESS_TOKEN, no_answer("", attempts).wait), None
            return Answer(Kind.PARKED, Scope.PROJECT, NO_ACCESS_TOKEN), None
        url = f"{self._base_url}/v1/projects/{self._credentials.current().project_id}/messages:send"
        await self._close_idle()
        if not still():
            return Answer(Kind.WITHHELD, Scope.MESSAGE, "withheld"), token
        began = self._clock.monotonic()
        link = self._link()
        link.under_way += 1
        try:
            with tracing.span("FCM send", attempts=attempts):
                async with asyncio.timeout(self._answer_s):
                    headers = {**_HEADERS, "authorization": f"Bearer {token.text}"}
                    response = await link.client.post(url, json=body, headers=headers)
        except Exception as error:  # noqa: BLE001 - the libraries below raise anything when a connection ends at a bad moment
            # Whatever it was, the connection is not trusted any more: one that is half open looks well for ever.
            link.retired = True
            return no_answer(type(error).__name__, attempts), token
        finally:
            link.under_way -= 1
            _ANSWERED_S.observe(self._clock.monotonic() - began)
            await self._close_idle()
        heads = {name.lower(): value for name, value in response.headers.items()}
        answer = classify(response.status_code, heads, response.content, attempts=attempts, at=self._clock.now())
        return answer, token

    def _link(self) -> _Link:
        """The connection with the most room, a new one if none is good."""
        now = self._clock.monotonic()
        for link in self._links:
            link.retired = link.retired or now - link.made > OLDEST_S
        good = [link for link in self._links if not link.retired]
        if len(good) < self._most_links and all(link.under_way >= STREAMS for link in good):
            good.append(self._connect(now))
            self._links.append(good[-1])
        return min(good, key=lambda link: link.under_way)

    def _connect(self, now: float) -> _Link:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_S)
        timeout = httpx.Timeout(self._answer_s, connect=CONNECT_S)
        client = httpx.AsyncClient(
            http1=False, http2=True, verify=self._tls, limits=limits, timeout=timeout, trust_env=False
        )
        return _Link(client, now)

    async def _close_idle(self) -> None:
        """Close what is retired and has nothing under way any more."""
        left = [link for link in self._links if link.retired and link.under_way == 0]
        self._links = [link for link in self._links if link not in left]
        for link in left:
            await link.client.aclose()
