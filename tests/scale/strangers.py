"""Calls of nobody in particular, all at once, from one address of loopback: what limits by address are there for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import grpc
import httpx

from tests.scale.balancing import Balancer
from tests.support.proxy import fault_proxy
from tests.system.people import AUTH
from tests.system.wire import Grpc, Refusal, request_of

BOGUS = {"refreshToken": "fwr1_of-nobody"}

Strangers = Callable[[Balancer, str, int], Awaitable[list[str]]]
"""So many calls from an address; the reason why each is refused."""


async def strangers_over_grpc(balancer: Balancer, source: str, count: int) -> list[str]:
    host, _, port = balancer.address("user").partition(":")
    async with fault_proxy((host, int(port)), source=source) as phone:
        client = Grpc(f"{host}:{phone.port}")
        call = client.channel.unary_unary(f"/{AUTH}/Refresh", request_serializer=bytes)

        async def reason(number: int) -> str:
            # What a client says of itself does not count.
            spoofed = [("x-forwarded-for", f"192.0.2.{number % 250}")]
            try:
                await call(request_of(f"{AUTH}/Refresh", BOGUS).SerializeToString(), metadata=spoofed, timeout=20)
            except grpc.aio.AioRpcError as error:
                return Refusal.of(error).reason or repr(error)
            return "OK"

        try:
            return await asyncio.gather(*(reason(number) for number in range(count)))
        finally:
            await client.close()


async def strangers_over_rest(balancer: Balancer, source: str, count: int) -> list[str]:
    transport = httpx.AsyncHTTPTransport(local_address=source)
    address = f"http://{balancer.address('transcoder')}"
    async with httpx.AsyncClient(base_url=address, transport=transport, timeout=20) as client:

        async def reason(number: int) -> str:
            spoofed = {"x-forwarded-for": f"192.0.2.{number % 250}"}
            answer = await client.post("/v1/auth/refresh", json=BOGUS, headers=spoofed)
            return str(answer.json()["details"][0]["reason"])

        return await asyncio.gather(*(reason(number) for number in range(count)))
