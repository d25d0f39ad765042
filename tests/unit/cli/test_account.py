import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpclib.client import Channel
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.testing import ChannelFor

from firewalker.cli.account import Account, Credentials
from firewalker.cli.calls import RefusedError, UnreachableError, outcomes, patiently
from firewalker.gen.pb.firewalker.user.v1 import (
    AuthServiceBase,
    LoginRequest,
    LoginResponse,
    RefreshRequest,
    RefreshResponse,
    SignUpRequest,
    SignUpResponse,
    Tokens,
    User,
)

ANN = Credentials("ann@example.com", "a long walk home")


def refusal(status: Status, reason: str, retry_after_s: int = 0) -> GRPCError:
    details: list[object] = [error_details_pb2.ErrorInfo(reason=reason, domain="firewalker")]
    if retry_after_s:
        details.append(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=retry_after_s)))
    return GRPCError(status, "no", details)


class Auth(AuthServiceBase):
    """An AuthService as the contract describes it, with tokens that are as good as expired."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.refusals: list[GRPCError] = []

    async def sign_up(self, message: SignUpRequest) -> SignUpResponse:
        self._note("sign_up")
        return SignUpResponse(user=User(user_id="u1", nickname=message.nickname), tokens=self._tokens(5))

    async def login(self, message: LoginRequest) -> LoginResponse:
        self._note("login")
        return LoginResponse(user=User(user_id="u1", email=message.email), tokens=self._tokens(600))

    async def refresh(self, message: RefreshRequest) -> RefreshResponse:
        self._note("refresh")
        assert message.refresh_token.startswith("r")
        await asyncio.sleep(0.01)
        return RefreshResponse(tokens=self._tokens(600))

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if self.refusals:
            raise self.refusals.pop(0)

    def _tokens(self, seconds: int) -> Tokens:
        number = len(self.calls)
        expires = datetime.now(UTC) + timedelta(seconds=seconds)
        return Tokens(access_token=f"a{number}", refresh_token=f"r{number}", access_expire_time=expires)


@pytest.fixture
def auth() -> Auth:
    return Auth()


@pytest.fixture
async def channel(auth: Auth) -> AsyncIterator[Channel]:
    async with ChannelFor([auth]) as channel:
        yield channel


async def test_callers_who_meet_an_expired_token_renew_it_once(auth: Auth, channel: Channel) -> None:
    account = await Account.sign_up(channel, ANN, "Ann", "Asia/Seoul")
    held = await asyncio.gather(*(account.metadata() for _ in range(10)))
    assert auth.calls == ["sign_up", "refresh"]
    assert {metadata["authorization"] for metadata in held} == {"Bearer a2"}


async def test_a_session_that_has_ended_is_replaced_by_the_password(auth: Auth, channel: Channel) -> None:
    account = await Account.sign_up(channel, ANN, "Ann", "Asia/Seoul")
    auth.refusals = [refusal(Status.UNAUTHENTICATED, "REFRESH_TOKEN_REUSED")]
    assert (await account.metadata())["authorization"] == "Bearer a3"
    assert auth.calls == ["sign_up", "refresh", "login"]


async def test_a_full_password_lane_is_waited_for(auth: Auth, channel: Channel) -> None:
    auth.refusals = [refusal(Status.RESOURCE_EXHAUSTED, "OVERLOADED", retry_after_s=1)]
    began = asyncio.get_running_loop().time()
    await Account.sign_up(channel, ANN, "Ann", "Asia/Seoul")
    assert asyncio.get_running_loop().time() - began >= 1
    assert auth.calls == ["sign_up", "sign_up"]


async def test_a_sign_up_whose_answer_was_lost_goes_on_with_a_login(auth: Auth, channel: Channel) -> None:
    auth.refusals = [refusal(Status.ALREADY_EXISTS, "EMAIL_TAKEN")]
    assert (await Account.sign_up(channel, ANN, "Ann", "Asia/Seoul")).user_id == "u1"
    assert auth.calls == ["sign_up", "login"]


async def test_a_wrong_password_is_not_tried_again(auth: Auth, channel: Channel) -> None:
    auth.refusals = [refusal(Status.UNAUTHENTICATED, "BAD_CREDENTIALS")]
    with pytest.raises(RefusedError, match="BAD_CREDENTIALS"):
        await Account.log_in(channel, ANN)
    assert auth.calls == ["login"]


async def test_a_backend_that_stays_away_is_given_up() -> None:
    async def call() -> None:
        raise ConnectionRefusedError

    with pytest.raises(UnreachableError):
        await patiently(call, within_s=0.2)


def test_a_time_out_is_no_answer() -> None:
    with pytest.raises(UnreachableError), outcomes():
        raise TimeoutError
