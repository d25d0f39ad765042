"""What each port shows to whom: health and reflection through grpcio, and the internal ports."""

from __future__ import annotations

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from firewalker.local.backend import Backend
from tests.service.grpc.raw import RawClient, framed, grpc_headers
from tests.system.people import Town
from tests.system.wire import Grpc, refused

SERVICES = ("user", "step", "notification")

CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"

DELIVER = "firewalker.event.v1.EventSinkService/Deliver"


@pytest.mark.requirement("NET-40")
@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("port", ["PORT", "INTERNAL_PORT"])
async def test_health_over_grpcio(backend: Backend, service: str, port: str) -> None:
    client = Grpc(backend.address(service, port))
    health = health_pb2_grpc.HealthStub(client.channel)
    answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=60)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    unknown = await refused(health.Check(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=60))
    assert unknown.code is grpc.StatusCode.NOT_FOUND
    watch = health.Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()
    await client.close()


@pytest.mark.requirement("NET-05")
@pytest.mark.parametrize("service", SERVICES)
async def test_resets_that_a_trusted_proxy_passes_on_do_not_end_its_connection(backend: Backend, service: str) -> None:
    # Loopback is trusted here, as it is unless told otherwise.
    async with RawClient(backend.port(service)) as proxy:
        for _ in range(400):
            stream = proxy.h2.get_next_available_stream_id()
            proxy.h2.send_headers(stream, grpc_headers(WATCH))
            proxy.h2.reset_stream(stream)
        other = await proxy.request(grpc_headers(CHECK), framed(b""))
        assert (await proxy.ended(other)).get("grpc-status") == "0"


@pytest.mark.parametrize("service", ["step", "notification"])
async def test_an_internal_port_takes_services_only(backend: Backend, town: Town, service: str) -> None:
    person = await town.person()
    client = Grpc(backend.address(service, "INTERNAL_PORT"))
    for token in (None, person.token, "a guess"):
        refusal = await refused(client.unary(DELIVER, {"events": []}, token))
        assert refusal.code is grpc.StatusCode.UNAUTHENTICATED
        assert refusal.reason == "SERVICE_CREDENTIAL_INVALID"
    await client.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_internal_methods_are_not_on_the_public_port(backend: Backend, town: Town, service: str) -> None:
    person = await town.person()
    client = Grpc(backend.address(service))
    refusal = await refused(client.unary(DELIVER, {"events": []}, person.token))
    assert refusal.code is grpc.StatusCode.UNIMPLEMENTED
    await client.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_public_methods_are_not_on_the_internal_port(backend: Backend, town: Town, service: str) -> None:
    person = await town.person()
    client = Grpc(backend.address(service, "INTERNAL_PORT"))
    refusal = await refused(client.unary("firewalker.user.v1.UserService/GetMe", {}, person.token))
    assert refusal.code is grpc.StatusCode.UNIMPLEMENTED
    await client.close()
