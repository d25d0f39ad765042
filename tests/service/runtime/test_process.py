import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "tests.support.tiny_service"]
STOPPED = ["serving False", "server drained", "server closed", "part stopped", "resources closed"]


@pytest.fixture
def settings(mysql_url: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    files = {}
    for name in ("JWKS_FILE", "SERVICE_TOKEN_FILE", "SERVICE_ALLOW_FILE", "PAGE_KEY_FILE"):
        path = tmp_path / name.lower()
        path.write_text("x")
        files[f"FIREWALKER_TINY_{name}"] = str(path)
    mine = {"FIREWALKER_TINY_MYSQL_URL": mysql_url, "FIREWALKER_REDIS_URL": redis_url, "PATH": os.environ["PATH"]}
    return {**files, **mine}


async def start(environment: dict[str, str], *arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(*COMMAND, *arguments, env=environment, stdout=PIPE, stderr=STDOUT)


async def run(environment: dict[str, str], *arguments: str) -> tuple[int | None, str]:
    process = await start(environment, *arguments)
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, output.decode()


async def told(process: Process, line: str) -> list[str]:
    """Read up to *line*; what the service told on the way."""
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or lines[-1] != line:
        raw = await asyncio.wait_for(process.stdout.readline(), 60)
        assert raw, f"ended without {line!r} after {lines}"
        lines.append(raw.decode().rstrip())
    return lines


@pytest.mark.requirement("NET-40", "NET-41", "NET-43")
async def test_a_service_starts_and_stops_in_order(settings: dict[str, str]) -> None:
    assert (await run(settings, "migrate"))[0] == 0
    process = await start(settings)
    assert await told(process, "serving True") == ["part started", "server started", "serving True"]
    process.terminate()
    rest, _ = await asyncio.wait_for(process.communicate(), 60)
    lines = rest.decode().splitlines()
    assert [line for line in lines if line in STOPPED] == STOPPED
    assert process.returncode == 0


@pytest.mark.requirement("NET-41")
async def test_a_second_signal_ends_the_process_at_once(settings: dict[str, str]) -> None:
    await run(settings, "migrate")
    process = await start({**settings, "TINY_SLOW_S": "19"})
    await told(process, "serving True")
    process.terminate()
    await told(process, "serving False")
    process.terminate()
    rest, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert "drained" not in rest.decode()


@pytest.mark.requirement("NET-41")
async def test_a_drain_takes_no_longer_than_it_may(settings: dict[str, str]) -> None:
    await run(settings, "migrate")
    process = await start({**settings, "TINY_SLOW_S": "60", "FIREWALKER_TINY_DRAIN_S": "0.2"})
    await told(process, "serving True")
    process.terminate()
    await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0


@pytest.mark.requirement("NET-43")
async def test_a_service_refuses_to_start_on_an_older_schema(settings: dict[str, str]) -> None:
    status, output = await run(settings)
    assert status == 1
    assert "0001_tiny.sql" in output
    assert "Traceback" not in output


async def test_an_unreachable_database_is_one_sentence(settings: dict[str, str]) -> None:
    url = "mysql://root@localhost/x?unix_socket=%2Fnowhere"
    status, output = await run({**settings, "FIREWALKER_TINY_MYSQL_URL": url})
    assert status == 1
    assert "The database is not available" in output
    assert "Traceback" not in output


async def test_check_config_prints_the_settings_with_secrets_masked(settings: dict[str, str]) -> None:
    given = {
        "MYSQL_URL": "mysql://fw:geheim@db.example/tiny",
        "REDIS_URL": "redis://:geheim@cache:6379/0",
        "POOL_SIZE": "7",
    }
    status, output = await run(
        {**settings, **{f"FIREWALKER_TINY_{name}": value for name, value in given.items()}}, "check-config"
    )
    assert status == 0
    assert "FIREWALKER_TINY_POOL_SIZE=7\n" in output
    assert "FIREWALKER_TINY_MYSQL_URL=mysql://fw:********@db.example/tiny\n" in output
    assert "geheim" not in output


async def test_everything_wrong_with_the_configuration_is_told_at_once(settings: dict[str, str]) -> None:
    wrong = {
        **settings,
        "FIREWALKER_TINY_POOLSIZE": "7",
        "FIREWALKER_TINY_PORT": "http",
        "FIREWALKER_TINY_MYSQL_URL": "postgres://u:geheim@h/d",
        "FIREWALKER_TINY_JWKS_FILE": "/nowhere",
    }
    del wrong["FIREWALKER_TINY_PAGE_KEY_FILE"]
    status, output = await run(wrong)
    assert status == 2
    for name in (
        "POOLSIZE: there is no such",
        "PORT: ",
        "MYSQL_URL: a MySQL URL starts",
        "JWKS_FILE: ",
        "PAGE_KEY_FILE: has to be set",
    ):
        assert f"FIREWALKER_TINY_{name}" in output
    assert "geheim" not in output
    assert "Traceback" not in output


async def test_a_background_task_that_dies_ends_the_process_in_order_and_with_1(settings: dict[str, str]) -> None:
    await run(settings, "migrate")
    status, output = await run({**settings, "TINY_DIES": "1"})
    lines = output.splitlines()
    assert [line for line in lines if line in STOPPED] == STOPPED
    assert "background_task_died" in output
    assert status == 1
