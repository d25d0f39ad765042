"""Rates of calls: whose turn a call takes, and what the client is told."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import grpc
import pytest

from firewalker.runtime.grpc.credentials import ServiceCredentials
from firewalker.runtime.grpc.edge import Edge
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.grpc.rates import CallRates
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.runtime.rate_limits import Rate, RateLimits
from firewalker.runtime.tokens import AccessTokens
from tests.service.grpc.conftest import SERVICE_TOKEN, Bench, refusal
from tests.service.grpc.doors import GET, RECORD, BoardDoor, GetRequest, RecordStepsRequest, StepDoor

RATE = Rate("test", per_s=0.01, burst=3)
LOOPBACK = ip_network("127.0.0.0/8")


class Town:
    """A server whose board is for users and whose steps are for anybody, three calls each."""

    def __init__(self, bench: Bench, limits: RateLimits, **networks: Any) -> None:
        edge = Edge(
            tokens=AccessTokens(bench.signer.ring()),
            services=ServiceCredentials({hashlib.sha256(SERVICE_TOKEN.encode()).digest(): "user"}),
            measures=bench.measures,
            rates=CallRates(limits, **networks),
        )
        doors = [BoardDoor(Rule(Caller.USER, rate=RATE)), StepDoor(Rule(Caller.PUBLIC, rate=RATE))]
        self.server = GrpcServer(doors, edge, wire=bench.wire)


@pytest.fixture
async def limits() -> AsyncIterator[RateLimits]:
    made = RateLimits("unix:///nowhere.sock")  # counted here: what Redis does is tested elsewhere
    yield made
    await made.close()


async def channel_to(bench: Bench, town: Town) -> grpc.aio.Channel:
    await town.server.start()
    bench._opened.append(town.server)
    return bench.channel(town.server)


def board(channel: grpc.aio.Channel, metadata: Any) -> Any:
    return channel.unary_unary(GET, GetRequest.SerializeToString)(GetRequest(), metadata=metadata, timeout=60)


def record(channel: grpc.aio.Channel, *forwarded: str) -> Any:
    metadata = [("x-forwarded-for", ", ".join(forwarded))] if forwarded else None
    call = channel.unary_unary(RECORD, RecordStepsRequest.SerializeToString)
    return call(RecordStepsRequest(), metadata=metadata, timeout=60)


@pytest.mark.requirement("NET-34")
async def test_a_user_who_calls_too_often_is_told_when_to_come_back(bench: Bench, limits: RateLimits) -> None:
    channel = await channel_to(bench, Town(bench, limits))
    mine = bench.bearer()
    for _ in range(3):
        await board(channel, mine)
    error = await refusal(board(channel, mine))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert b"RATE_EXCEEDED" in dict(error.trailing_metadata())["grpc-status-details-bin"]
    await board(channel, bench.bearer(sub="01890a5d-ac96-774b-bcce-b302099a8057"))


@pytest.mark.requirement("NET-34")
async def test_addresses_count_where_nobody_is_signed_in(bench: Bench, limits: RateLimits) -> None:
    channel = await channel_to(bench, Town(bench, limits))
    await asyncio.gather(*(record(channel) for _ in range(3)))
    assert (await refusal(record(channel))).code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.requirement("NET-34")
async def test_calls_from_exempt_addresses_are_not_counted_whoever_calls(bench: Bench, limits: RateLimits) -> None:
    channel = await channel_to(bench, Town(bench, limits, exempt=[LOOPBACK]))
    await asyncio.gather(*(record(channel) for _ in range(10)))
    mine = bench.bearer()
    for _ in range(10):
        await board(channel, mine)


@pytest.mark.requirement("NET-34")
async def test_behind_a_trusted_proxy_each_client_has_its_own_turns(bench: Bench, limits: RateLimits) -> None:
    channel = await channel_to(bench, Town(bench, limits, trusted=[LOOPBACK], exempt=[LOOPBACK]))
    for client in ("203.0.113.1", "203.0.113.2", "2001:db8::1"):
        for _ in range(3):
            await record(channel, client)
        await refusal(record(channel, "198.51.100.7", client))  # what it writes before its own does not help
    await refusal(record(channel, "2001:db8::ffff:1"))  # another address of the same customer
