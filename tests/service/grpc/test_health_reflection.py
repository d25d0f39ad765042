"""Health and reflection, through grpcio's messages and the real grpcurl."""

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2
from grpclib.reflection.v1 import reflection_pb2

from firewalker.runtime.grpc.server import GrpcServer
from tests.service.grpc.conftest import SERVICE_TOKEN, Bench, refusal
from tests.service.grpc.doors import AuthDoor, BoardDoor, SinkDoor, StepDoor

CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
STEP = "firewalker.step.v1.StepService"
GRPCURL = shutil.which("grpcurl", path=str(Path(sys.executable).parent))


class TestHealth:
    @pytest.mark.requirement("NET-40")
    async def test_the_whole_and_each_service_can_be_asked(self, bench: Bench) -> None:
        server = await bench.serve(StepDoor(), AuthDoor())
        check = bench.channel(server).unary_unary(
            CHECK, health_pb2.HealthCheckRequest.SerializeToString, health_pb2.HealthCheckResponse.FromString
        )
        for name in ("", STEP, "firewalker.user.v1.AuthService", "grpc.health.v1.Health"):
            assert (await check(health_pb2.HealthCheckRequest(service=name), timeout=60)).status == 1
        server.health.set(serving=False, service=STEP)
        assert (await check(health_pb2.HealthCheckRequest(service=STEP), timeout=60)).status == 2
        assert (await check(health_pb2.HealthCheckRequest(), timeout=60)).status == 1
        error = await refusal(check(health_pb2.HealthCheckRequest(service="no.Such"), timeout=60))
        assert error.code() is grpc.StatusCode.NOT_FOUND

    @pytest.mark.requirement("NET-40")
    async def test_a_watch_is_told_of_changes_and_of_the_drain(self, bench: Bench) -> None:
        server = await bench.serve(StepDoor())
        watch = bench.channel(server).unary_stream(WATCH, None, health_pb2.HealthCheckResponse.FromString)(b"")
        unknown = bench.channel(server).unary_stream(WATCH, None, health_pb2.HealthCheckResponse.FromString)(
            health_pb2.HealthCheckRequest(service="no.Such").SerializeToString()
        )
        assert (await unknown.read()).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        seen = [(await watch.read()).status]
        for serving in (False, False, True):
            server.health.set(serving)
            await asyncio.sleep(0)
        await server.drain(5)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            while (answer := await watch.read()) is not grpc.aio.EOF:
                seen.append(answer.status)
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        assert (seen[0], seen[-1]) == (1, 2)

    async def test_nothing_is_served_before_it_is_said(self, bench: Bench) -> None:
        server = GrpcServer([StepDoor()], bench.edge)
        assert not server.health.serving


class TestReflection:
    async def ask(self, bench: Bench, server: GrpcServer, **question: Any) -> Any:
        call = bench.channel(server).stream_stream(
            REFLECT,
            reflection_pb2.ServerReflectionRequest.SerializeToString,
            reflection_pb2.ServerReflectionResponse.FromString,
        )
        (answer,) = [a async for a in call(iter([reflection_pb2.ServerReflectionRequest(**question)]))]
        return answer

    def names(self, answer: Any) -> list[str]:
        return [FileDescriptorProto.FromString(f).name for f in answer.file_descriptor_response.file_descriptor_proto]

    async def test_what_is_served_is_listed(self, bench: Bench) -> None:
        server = await bench.serve(StepDoor(), AuthDoor())
        answer = await self.ask(bench, server, list_services="")
        assert [service.name for service in answer.list_services_response.service] == [
            STEP,
            "firewalker.user.v1.AuthService",
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
        ]

    @pytest.mark.parametrize(
        "symbol",
        [
            STEP,
            f"{STEP}.TrackSteps",
            "firewalker.step.v1.Reading",
            "firewalker.step.v1.Reading.device_id",
            "firewalker.step.v1.Reading.Source",
            "firewalker.step.v1.Reading.SENSOR",
            "firewalker.step.v1.Reading.Source.SENSOR",
            ".firewalker.step.v1.Reading",
        ],
    )
    async def test_every_kind_of_symbol_is_found_with_what_its_file_imports(self, bench: Bench, symbol: str) -> None:
        server = await bench.serve(StepDoor())
        names = self.names(await self.ask(bench, server, file_containing_symbol=symbol))
        assert names[0] == "firewalker/step/v1/step.proto"
        assert {"google/api/annotations.proto", "google/protobuf/descriptor.proto"} <= set(names)

    async def test_oneofs_and_health_are_found(self, bench: Bench) -> None:
        server = await bench.serve(StepDoor())
        oneof = "firewalker.step.v1.WatchFriendLeaderboardResponse.update"
        assert self.names(await self.ask(bench, server, file_containing_symbol=oneof))
        assert self.names(await self.ask(bench, server, file_containing_symbol="grpc.health.v1.Health"))

    async def test_extensions_are_found(self, bench: Bench) -> None:
        server = await bench.serve(StepDoor())
        options = "google.protobuf.MethodOptions"
        answer = await self.ask(bench, server, all_extension_numbers_of_type=options)
        assert 72295728 in answer.all_extension_numbers_response.extension_number
        extension = {"containing_type": options, "extension_number": 72295728}
        assert self.names(await self.ask(bench, server, file_containing_extension=extension))[0] == (
            "google/api/annotations.proto"
        )

    @pytest.mark.parametrize(
        ("question", "code"),
        [
            ({"file_containing_symbol": "no.Such"}, 5),
            ({"file_by_filename": "no/such.proto"}, 5),
            ({"file_containing_extension": {"containing_type": "x", "extension_number": 1}}, 5),
            ({"all_extension_numbers_of_type": "no.Such"}, 5),
            ({}, 3),
        ],
    )
    async def test_what_is_not_there_is_an_answer(self, bench: Bench, question: dict[str, Any], code: int) -> None:
        server = await bench.serve(StepDoor())
        assert (await self.ask(bench, server, **question)).error_response.error_code == code

    async def test_internal_files_are_shown_on_the_internal_port_alone(self, bench: Bench) -> None:
        public = await bench.serve(StepDoor())
        internal = await bench.serve(SinkDoor(), internal=True)
        question = {"file_containing_symbol": "firewalker.event.v1.EventSinkService"}
        assert (await self.ask(bench, public, **question)).error_response.error_code == 5
        by_name = {"file_by_filename": "firewalker/event/v1/event.proto"}
        assert (await self.ask(bench, public, **by_name)).error_response.error_code == 5
        assert self.names(await self.ask(bench, internal, **question))


@pytest.mark.skipif(GRPCURL is None, reason="grpcurl is not installed")
class TestGrpcurl:
    async def run(self, server: GrpcServer, *arguments: str, before: tuple[str, ...] = ()) -> str:
        assert GRPCURL is not None
        address = f"127.0.0.1:{server.port}"
        process = await asyncio.create_subprocess_exec(
            GRPCURL, "-plaintext", *before, address, *arguments, stdout=-1, stderr=-2
        )
        output, _ = await process.communicate()
        return output.decode()

    async def test_list_and_describe(self, bench: Bench) -> None:
        server = await bench.serve(StepDoor(), BoardDoor(), AuthDoor())
        assert STEP in (await self.run(server, "list")).split()
        assert {f"{STEP}.RecordSteps", f"{STEP}.TrackSteps"} <= set((await self.run(server, "list", STEP)).split())
        assert "rpc TrackSteps ( stream .firewalker" in await self.run(server, "describe", STEP)
        assert 'post:"/v1/steps"' in (await self.run(server, "describe", f"{STEP}.RecordSteps")).replace(" ", "")
        assert "repeated .firewalker.step.v1.Reading readings = 1;" in (
            await self.run(server, "describe", "firewalker.step.v1.RecordStepsRequest")
        )
        assert "SENSOR = 1" in await self.run(server, "describe", "firewalker.step.v1.Reading.Source")

    async def test_calls(self, bench: Bench) -> None:
        server = await bench.serve(StepDoor(), AuthDoor())
        data = json.dumps({"readings": [{"deviceId": "d", "date": "2026-05-20", "steps": 5}]})
        answer = json.loads(await self.run(server, f"{STEP}/RecordSteps", before=("-d", data)))
        assert answer == {"results": [{"verdict": "ACCEPTED"}]}
        streamed = await self.run(server, f"{STEP}/TrackSteps", before=("-d", '{"messageId":"a"}{"messageId":"b"}'))
        assert '"messageId": "a"' in streamed
        assert '"messageId": "b"' in streamed
        health = await self.run(server, "grpc.health.v1.Health/Check")
        assert json.loads(health) == {"status": "SERVING"}

    async def test_an_error_is_shown_with_its_details(self, bench: Bench) -> None:
        server = await bench.serve(AuthDoor())
        output = await self.run(server, "firewalker.user.v1.AuthService/Login", before=("-d", '{"email":"a@b"}'))
        assert "Code: InvalidArgument" in output
        assert "INVALID_REQUEST" in output
        assert '"password"' in output

    async def test_the_internal_port(self, bench: Bench) -> None:
        server = await bench.serve(SinkDoor(), internal=True)
        credential = ("-H", f"authorization: Bearer {SERVICE_TOKEN}")
        answer = await self.run(server, "firewalker.event.v1.EventSinkService/Deliver", before=credential)
        assert json.loads(answer) == {}
