"""A small service of accounts behind the tests of session routes; its tokens are ``token-1``, ``token-2`` and so on."""

from __future__ import annotations

import asyncio
import time
from functools import cache
from typing import Any

from grpclib.const import Cardinality, Handler, Status
from grpclib.encoding.proto import ProtoCodec
from grpclib.exceptions import GRPCError

from tests.transcoder.descriptors import made
from tests.transcoder.library_server import CrashingServer
from transcoder.schema import Schema, message_class

SERVICE = "accounts.v1.AuthService"

_PROTO = """
syntax = "proto3";
package accounts.v1;
import "google/api/annotations.proto";
import "google/protobuf/timestamp.proto";
service AuthService {
  rpc SignUp(Credentials) returns (SignedIn) { option (google.api.http) = {post: "/v1/signup" body: "*"}; }
  rpc Login(Credentials) returns (SignedIn) { option (google.api.http) = {post: "/v1/login" body: "*"}; }
  rpc Refresh(RefreshRequest) returns (Refreshed) { option (google.api.http) = {post: "/v1/refresh" body: "*"}; }
  rpc Logout(RefreshRequest) returns (LogoutResponse) { option (google.api.http) = {post: "/v1/logout" body: "*"}; }
}
message Credentials { string email = 1; string password = 2; }
message User { string email = 1; }
message Tokens {
  string access_token = 1;
  string refresh_token = 2;
  google.protobuf.Timestamp refresh_expire_time = 3;
}
message SignedIn { User user = 1; Tokens tokens = 2; }
message RefreshRequest { string refresh_token = 1; }
message Refreshed { Tokens tokens = 1; }
message LogoutResponse {}
"""
LIFE_S = 3600


@cache
def accounts() -> Schema:
    return made(_PROTO)


def new(kind: str, /, **fields: Any) -> Any:
    return message_class(accounts().pool.FindMessageTypeByName(f"accounts.v1.{kind}"))(**fields)


class Accounts:
    """The service. It exchanges its newest token, and the one before until that was used; what it saw is in *seen*."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.newest = 0
        self.confirmed = 0
        self.ended = False
        self.failures = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.port = 0
        self._server = CrashingServer([self], codec=ProtoCodec())

    async def start(self) -> None:
        await self._server.start("127.0.0.1", 0)
        listening: Any = self._server._server
        self.port = listening.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        await self._server.crash()

    def __mapping__(self) -> dict[str, Handler]:
        service = accounts().pool.FindServiceByName(SERVICE)
        return {
            f"/{SERVICE}/{method.name}": Handler(
                getattr(self, f"_{method.name.lower()}"),
                Cardinality.UNARY_UNARY,
                message_class(method.input_type),
                message_class(method.output_type),
            )
            for method in service.methods
        }

    def _tokens(self) -> Any:
        tokens = new("Tokens", access_token=f"access-{self.newest}", refresh_token=f"token-{self.newest}")
        tokens.refresh_expire_time.FromSeconds(int(time.time()) + LIFE_S)
        return tokens

    async def _login(self, stream: Any) -> None:
        request = await stream.recv_message()
        self.seen.append(f"{request.email} {stream.metadata.get('x-forwarded-for')}")
        if request.password != "right":
            raise GRPCError(Status.UNAUTHENTICATED, "no")
        self.newest = self.confirmed = 1
        await stream.send_message(new("SignedIn", user=new("User", email=request.email), tokens=self._tokens()))

    _signup = _login

    async def _refresh(self, stream: Any) -> None:
        request = await stream.recv_message()
        self.seen.append(request.refresh_token)
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise GRPCError(Status.INTERNAL, "not this time")
        generation = int(request.refresh_token.removeprefix("token-"))
        if generation < self.confirmed:
            self.ended = True
        if self.ended:
            raise GRPCError(Status.UNAUTHENTICATED, "ended")
        self.confirmed, self.newest = generation, generation + 1
        await stream.send_message(new("Refreshed", tokens=self._tokens()))

    async def _logout(self, stream: Any) -> None:
        request = await stream.recv_message()
        self.seen.append(f"logout {request.refresh_token} {stream.metadata.get('authorization', '')}".strip())
        if self.failures:
            self.failures -= 1
            raise GRPCError(Status.INTERNAL, "not this time")
        self.ended = True
        await stream.send_message(new("LogoutResponse"))
