"""The `firewalker` command against the running backend, as people use it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest

from firewalker.gen.pb.firewalker.event.v1 import Event
from firewalker.kernel.ids import new_uuid7
from firewalker.local.backend import Backend
from firewalker.runtime.mysql.literals import fill
from tests.support.databases import run_on
from tests.system.command_line import FIREWALKER, ended, started
from tests.system.people import Town


async def test_walkers_survive_a_kill_and_their_ledger_agrees(backend: Backend) -> None:
    process = await started(backend, "walk", "--users", "6", "--minutes", "0.1", "--seed", "7", "--interval", "0.2")
    assert process.stdout is not None
    watch = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    assert re.match(r"firewalker watch --email \S+ --password \S+\n", watch)
    await backend.kill("step")
    status, output, complaints = await ended(process)
    assert status == 0, output + complaints
    assert "all acknowledged readings are on the boards" in output
    assert "seed 7" in complaints
    assert "Traceback" not in complaints


async def test_a_board_is_watched_until_ctrl_c(backend: Backend, town: Town) -> None:
    ann, bo = await town.person("Ann"), await town.person("Bo")
    await town.befriend(ann, bo)
    await town.record(bo, 120)
    process = await started(backend, "watch", "--email", ann.email, "--password", ann.password)
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while f"1 {bo.nickname} 120" not in (line := (await process.stdout.readline()).decode()):
            assert line
    process.send_signal(signal.SIGINT)
    status, _, complaints = await ended(process)
    assert (status, complaints) == (0, "")


async def test_the_demo_shows_walk_and_board_in_plain_lines(backend: Backend) -> None:
    status, output, complaints = await ended(await started(backend, "demo", "--users", "4", "--minutes", "0.05"))
    assert status == 0, output + complaints
    assert re.search(r"^\d{4}-\d\d-\d\d: ", output, re.MULTILINE)
    assert "all acknowledged readings are on the boards" in output


async def test_migrations_and_redis_can_be_seen_to_while_everything_runs(backend: Backend, town: Town) -> None:
    person = await town.person()
    await town.record(person, 60)
    for command in ("migrate", "rebuild"):
        status, output, complaints = await ended(await started(backend, command))
        assert status == 0, output + complaints
        assert (await town.board(person))[0][2] == 60
    status, _, complaints = await ended(await started(backend, "migrate", "billing"))
    assert status == 1
    assert "billing" in complaints


async def test_the_doctor_finds_everything_well_and_a_service_that_is_down(backend: Backend) -> None:
    status, output, complaints = await ended(await started(backend, "doctor"))
    assert status == 0, output + complaints
    await backend.halt("notification")
    status, output, _ = await ended(await started(backend, "doctor"))
    backend.revive("notification")
    assert status == 1
    assert re.search(r"no\s+notification service", output)
    await backend.wait_ready()


@pytest.mark.requirement("DLV-04")
async def test_an_event_that_was_set_aside_is_reported_and_replayed(backend: Backend, town: Town) -> None:
    await town.person()  # there are lanes
    url = backend.setting("user", "MYSQL_URL")
    event_id = new_uuid7()
    payload = bytes(Event(event_id=str(event_id)))
    insert = """
        INSERT INTO outbox (destination, event_id, kind, payload, create_time, attempts, set_aside, last_error)
        VALUES ('step', %s, 'Tested', %s, CURRENT_TIMESTAMP(3), 10, 1, 'EVENT_REFUSED')
    """
    await run_on(url, fill(insert, (event_id, payload)))
    status, output, complaints = await ended(await started(backend, "doctor"))
    assert status == 1, output + complaints
    assert re.search(r"no\s+events from user to step", output)
    status, output, _ = await ended(await started(backend, "outbox"))
    assert status == 0
    assert re.search(r"1 Tested to step: EVENT_REFUSED, since \d{4}-\d\d-\d\d \d\d:\d\d\n", output)
    status, _, complaints = await ended(await started(backend, "outbox", "replay", "nowhere"))
    assert status == 1
    assert "nowhere" in complaints
    status, output, _ = await ended(await started(backend, "outbox", "replay"))
    assert status == 0
    assert "step: 1 put back" in output
    async with asyncio.timeout(60):
        while await run_on(url, fill("SELECT 1 FROM outbox WHERE event_id = %s", (event_id,))):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "arguments", [("watch", "--email", "nobody@example.com", "--password", "wrong password"), ("walk", "--users", "1")]
)
async def test_what_cannot_be_done_is_said_without_a_traceback(backend: Backend, arguments: tuple[str, ...]) -> None:
    status, _, complaints = await ended(await started(backend, *arguments))
    assert status
    assert complaints
    assert "Traceback" not in complaints


async def test_a_backend_that_is_not_there_is_said_to_be_not_there(tmp_path: Path) -> None:
    environment = {**os.environ, "FIREWALKER_USER_PORT": "9", "FIREWALKER_LOCAL_DIR": str(tmp_path)}
    process = await asyncio.create_subprocess_exec(
        *FIREWALKER, "watch", "--email", "a@example.com", "--password", "x",
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    status, _, complaints = await ended(process)
    assert status == 1
    assert "firewalker up" in complaints
    assert "Traceback" not in complaints
