"""The real grpcurl binary against every port: reflection for people, and calls."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from firewalker.local.backend import Backend
from firewalker.runtime.grpc.messages import public_descriptors
from tests.system.people import TODAY, Town

GRPCURL = Path(sys.executable).with_name("grpcurl")

SERVICES = ("user", "step", "notification")

ALWAYS = {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}


def public_services(service: str) -> set[str]:
    """What the contract has clients find at the port of *service*."""
    public = public_descriptors()
    files = [public.file(name) for name in public.file_names if name.startswith(f"firewalker/{service}/")]
    found = {one.full_name for file in files for one in file.services_by_name.values()}
    assert found
    return found


async def grpcurl(*arguments: str) -> tuple[int, str, str]:
    """Run it; status, output, complaints."""
    process = await asyncio.create_subprocess_exec(
        GRPCURL, "-plaintext", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        output, complaints = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), complaints.decode()


async def asked(*arguments: str) -> str:
    status, output, complaints = await grpcurl(*arguments)
    assert status == 0, complaints
    return output


@pytest.mark.parametrize("service", SERVICES)
async def test_list_names_the_public_services(backend: Backend, service: str) -> None:
    listed = set((await asked(backend.address(service), "list")).split())
    assert listed == ALWAYS | public_services(service)


@pytest.mark.parametrize(
    ("service", "symbol", "shown"),
    [
        ("user", "firewalker.user.v1.FriendService", "rpc AcceptFriendRequest"),
        ("user", "firewalker.user.v1.AuthService.SignUp", "returns ( .firewalker.user.v1.SignUpResponse )"),
        ("user", "firewalker.user.v1.SignUpRequest", "string nickname = 3"),
        ("step", "firewalker.step.v1.StepService.TrackSteps", "stream .firewalker.step.v1.TrackStepsRequest"),
        ("step", "firewalker.step.v1.Leaderboard", "repeated .firewalker.step.v1.LeaderboardEntry entries = 3"),
        ("step", "firewalker.step.v1.LeaderboardEntry.State", "UNDER_REVIEW = 4"),
        ("notification", "firewalker.notification.v1.NotificationService", 'get:"/v1/notifications"'),
    ],
)
async def test_describe_shows_services_methods_messages_and_enums(
    backend: Backend, service: str, symbol: str, shown: str
) -> None:
    described = await asked(backend.address(service), "describe", symbol)
    assert shown.replace(" ", "") in described.replace(" ", "")


@pytest.mark.parametrize("service", SERVICES)
async def test_health_answers_for_the_server_and_for_each_service(backend: Backend, service: str) -> None:
    for name in ("", *public_services(service)):
        body = json.dumps({"service": name})
        assert json.loads(await asked("-d", body, backend.address(service), "grpc.health.v1.Health/Check")) == {
            "status": "SERVING"
        }


@pytest.mark.parametrize(
    ("service", "method", "answered"),
    [
        ("user", "UserService/GetMe", "user"),
        ("step", "LeaderboardService/GetFriendLeaderboard", "leaderboard"),
        ("notification", "NotificationService/ListNotifications", ""),
    ],
)
async def test_a_call_needs_a_token_and_works_with_one(
    backend: Backend, town: Town, service: str, method: str, answered: str
) -> None:
    person = await town.person()
    address, path = backend.address(service), f"firewalker.{service}.v1.{method}"
    status, _, complaints = await grpcurl(address, path)
    assert status != 0
    assert "Code: Unauthenticated" in complaints
    assert "ACCESS_TOKEN_INVALID" in complaints
    answer = json.loads(await asked("-H", f"authorization: Bearer {person.token}", address, path))
    assert set(answer) == ({answered} if answered else set())


async def test_a_stream_of_readings_from_the_shell(backend: Backend, town: Town) -> None:
    person = await town.person()
    messages: list[dict[str, Any]] = [
        {"messageId": f"m{n}", "readings": [{"deviceId": "phone", "date": TODAY, "hour": 8, "steps": 100 * n}]}
        for n in (1, 2)
    ]
    output = await asked(
        "-H", f"authorization: Bearer {person.token}", "-d", "\n".join(map(json.dumps, messages)),
        backend.address("step"), "firewalker.step.v1.StepService/TrackSteps",
    )  # fmt: skip
    answers = [json.loads(part) for part in output.replace("}\n{", "}\0{").split("\0")]
    assert [answer["messageId"] for answer in answers] == ["m1", "m2"]
    # Both may have been committed at once: a total is the one after the commit.
    assert answers[0]["days"][0]["total"] in {100, 200}
    assert answers[1]["days"][0]["total"] == 200
