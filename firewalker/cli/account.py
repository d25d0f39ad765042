"""One user signed in, as an app holds it: tokens that renew themselves, and calls made in the user's name."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from firewalker.cli.calls import CALL_LIMIT_S, CallError, RefusedError, patiently
from firewalker.gen.pb.firewalker.user.v1 import (
    AuthServiceStub,
    LoginRequest,
    RefreshRequest,
    SignUpRequest,
    Tokens,
    User,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from grpclib.client import Channel

RENEW_BEFORE = timedelta(seconds=30)
"""An access token with less than this left is renewed before it is used."""

ENDED = frozenset({"REFRESH_TOKEN_INVALID", "REFRESH_TOKEN_REUSED", "SESSION_REVOKED"})
"""Reasons that end the session: only the password opens a new one."""

Question = TypeVar("Question")
Question_contra = TypeVar("Question_contra", contravariant=True)
Answer = TypeVar("Answer")
Answer_co = TypeVar("Answer_co", covariant=True)


class Method(Protocol[Question_contra, Answer_co]):
    """A unary method of a generated stub."""

    def __call__(
        self, message: Question_contra, /, *, timeout: float | None, metadata: dict[str, str]
    ) -> Awaitable[Answer_co]:
        """Make the call."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a person types to sign in."""

    email: str
    password: str


class Account:
    """A signed-in user. Made by `sign_up` or `log_in`."""

    def __init__(self, auth: AuthServiceStub, credentials: Credentials, user: User, tokens: Tokens) -> None:
        self.user = user
        self.credentials = credentials
        self.renewals = 0
        """How often the access token was replaced."""
        self._auth = auth
        self._tokens = tokens
        self._renewing = asyncio.Lock()

    @classmethod
    async def sign_up(cls, channel: Channel, credentials: Credentials, nickname: str, time_zone: str) -> Self:
        """Make a new account, waiting as long as the server asks while its password lane is full.

        Raises:
            RefusedError: EMAIL_TAKEN, NICKNAME_TAKEN or a wrong field.
        """
        auth = AuthServiceStub(channel)
        asked = SignUpRequest(
            email=credentials.email, password=credentials.password, nickname=nickname, time_zone=time_zone
        )
        try:
            answer = await patiently(lambda: auth.sign_up(asked, timeout=CALL_LIMIT_S))
        except RefusedError as refused:
            if refused.reason != "EMAIL_TAKEN":
                raise
            # The address is of this run alone: an earlier attempt was carried out and its answer lost.
            return await cls.log_in(channel, credentials)
        return cls(auth, credentials, _required(answer.user), _required(answer.tokens))

    @classmethod
    async def log_in(cls, channel: Channel, credentials: Credentials) -> Self:
        """Open a session of an account that exists.

        Raises:
            RefusedError: BAD_CREDENTIALS.
        """
        auth = AuthServiceStub(channel)
        user, tokens = await _log_in(auth, credentials)
        return cls(auth, credentials, user, tokens)

    @property
    def user_id(self) -> str:
        """The user's id."""
        return self.user.user_id

    async def metadata(self) -> dict[str, str]:
        """Call metadata with an access token that is good for some time yet."""
        expires = self._tokens.access_expire_time
        if expires is not None and expires - datetime.now(UTC) < RENEW_BEFORE:
            await self.renew(self._tokens.access_token)
        return {"authorization": f"Bearer {self._tokens.access_token}"}

    async def renew(self, stale: str | None = None) -> None:
        """Replace the access token; by the password if the session has ended.

        Callers that come at the same time renew once: *stale* is the token that the caller found wanting (the present
        one if left out), and if another caller has replaced it meanwhile nothing happens.
        """
        stale = self._tokens.access_token if stale is None else stale
        async with self._renewing:
            if self._tokens.access_token != stale:
                return
            asked = RefreshRequest(refresh_token=self._tokens.refresh_token)
            try:
                # Repeatable: until the successor is used, the same refresh token gives the same successor.
                answer = await patiently(lambda: self._auth.refresh(asked, timeout=CALL_LIMIT_S))
                self._tokens = _required(answer.tokens)
            except RefusedError as refused:
                if refused.reason not in ENDED:
                    raise
                self.user, self._tokens = await _log_in(self._auth, self.credentials)
            self.renewals += 1

    async def recover(self, error: CallError) -> bool:
        """Whether *error* was about the session and a new token may help; it has been fetched then."""
        if error.reason not in {"ACCESS_TOKEN_EXPIRED", "ACCESS_TOKEN_INVALID", "SESSION_REVOKED"}:
            return False
        await self.renew()
        return True

    async def call(self, method: Method[Question, Answer], message: Question) -> Answer:
        """Call *method*, which may be repeated, in the user's name, through passing failures and expired tokens.

        Raises:
            CallError: What a repeat did not help.
        """

        async def attempt() -> Answer:
            return await method(message, timeout=CALL_LIMIT_S, metadata=await self.metadata())

        try:
            return await patiently(attempt)
        except RefusedError as refused:
            if not await self.recover(refused):
                raise
        return await patiently(attempt)


async def _log_in(auth: AuthServiceStub, credentials: Credentials) -> tuple[User, Tokens]:
    asked = LoginRequest(email=credentials.email, password=credentials.password)
    answer = await patiently(lambda: auth.login(asked, timeout=CALL_LIMIT_S))
    return _required(answer.user), _required(answer.tokens)


R = TypeVar("R")


def _required(part: R | None) -> R:
    """A part of an answer that the contract promises."""
    if part is None:
        message = "the answer lacks a part that the contract promises"
        raise LookupError(message)
    return part
