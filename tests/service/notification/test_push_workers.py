"""Several processes share the queue; kill -9, SIGTERM and SIGSTOP lose nothing."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from firewalker.kernel.ids import new_uuid7
from firewalker.local.secrets import Secrets, make_secrets
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.migrations import migrate
from tests.service.notification.conftest import event, noon
from tests.support.databases import run_on
from tests.support.emulator import Google, google
from tests.support.push_ledger import examine
from tests.support.waiting import until

IN_FLIGHT = 16
ROUNDS = int(os.environ.get("FIREWALKER_TEST_PUSH_ROUNDS", "1"))
"""How often a worker is killed; each round costs some four seconds."""

PEOPLE = 200
"""For each round, and as many for the end."""

DELIVER = "/firewalker.event.v1.EventSinkService/Deliver"
Deliver = message_class("firewalker.event.v1.DeliverRequest")
Delivered = message_class("firewalker.event.v1.DeliverResponse")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class Worker:
    """A notification service in a process of its own."""

    def __init__(self, google: Google, secrets: Secrets, mysql_url: str, redis_url: str, log: Path) -> None:
        self.internal = free_port()
        settings = {
            "PORT": free_port(), "INTERNAL_PORT": self.internal, "MYSQL_URL": mysql_url, "REDIS_URL": redis_url,
            "JWKS_FILE": secrets.jwks, "SERVICE_TOKEN_FILE": secrets.service_token("notification"),
            "SERVICE_ALLOW_FILE": secrets.allowed_services, "PAGE_KEY_FILE": secrets.page_key,
            "FCM_ANSWER_S": 2, "FCM_IN_FLIGHT": IN_FLIGHT,
            **{name.upper(): value for name, value in google.settings().items()},
        }  # fmt: skip
        ours = {name: value for name, value in os.environ.items() if not name.startswith("FIREWALKER_")}
        self._environment = ours | {f"FIREWALKER_NOTIFICATION_{name}": str(value) for name, value in settings.items()}
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "firewalker.notification"]
            self.process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)  # noqa: S603 - our own

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def end(self, number: int) -> int:
        self.signal(number)
        assert self.process is not None
        return await asyncio.to_thread(self.process.wait, 20)


@pytest.fixture
async def site(
    tmp_path: Path, mysql_url: str, redis_url: str
) -> AsyncIterator[tuple[Google, Secrets, list[Worker], str]]:
    secrets = make_secrets(tmp_path)
    await migrate(mysql_url, files("firewalker.notification") / "store" / "schema")
    async with google(tmp_path) as running:
        workers = [Worker(running, secrets, mysql_url, redis_url, tmp_path / f"log {n}") for n in range(2)]
        try:
            yield running, secrets, workers, mysql_url
        finally:
            for worker in workers:
                if worker.process is not None and worker.process.poll() is None:
                    worker.process.kill()
                    worker.process.wait()


async def tell(worker: Worker, secrets: Secrets, events: list[Any]) -> None:
    """Deliver, again until it is acknowledged."""
    credential = [("authorization", f"Bearer {secrets.service_token('user').read_text().strip()}")]
    options = [(f"grpc.{which}_reconnect_backoff_ms", 200) for which in ("initial", "min", "max")]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{worker.internal}", options) as channel:
        call = channel.unary_unary(
            DELIVER, request_serializer=Deliver.SerializeToString, response_deserializer=Delivered.FromString
        )
        limit = time.monotonic() + 20
        while True:
            try:
                await call(Deliver(events=events), metadata=credential, timeout=5, wait_for_ready=True)
            except grpc.aio.AioRpcError:
                assert time.monotonic() < limit
            else:
                return


async def people_with_phones(mysql_url: str, count: int) -> list[Any]:
    """Users with a registered device each, put where registering would put them."""
    people = [new_uuid7() for _ in range(count)]
    rows = ",".join(
        f"('phone {n}', 0x{user.hex}, 0x{user.hex}, 'ANDROID', 'token', 'token-number-{n:04}', UNHEX(SHA2('{user}', 256)),"
        f" 0x{user.hex}, '', '', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))"
        for n, user in enumerate(people)
    )
    columns = (
        "installation_id, user_id, session_id, platform, target, registration, registration_hash, generation, app_version,"
        " locale, register_time, last_seen_time"
    )
    await run_on(mysql_url, f"INSERT INTO device ({columns}) VALUES {rows}")  # noqa: S608
    return people


@pytest.mark.requirement("DLV-02", "DLV-03", "DLV-14", "FCM-06", "FCM-01")
async def test_killed_paused_and_stopped_workers_lose_nothing(
    site: tuple[Google, Secrets, list[Worker], str], tmp_path: Path
) -> None:
    google, secrets, (one, other), mysql_url = site
    google.fcm.script.load({"latency_s": 0.1})
    people = await people_with_phones(mysql_url, PEOPLE * (ROUNDS + 1))
    events = [event(noon(), security_noticed={"user_id": str(user), "kind": 2}) for user in people]
    for told in events:
        told.create_time.GetCurrentTime()
    one.start()
    other.start()
    for kill in range(ROUNDS + 1):
        some = events[kill * PEOPLE : (kill + 1) * PEOPLE]
        for start in range(0, PEOPLE, 100):
            await tell(one, secrets, some[start : start + 100])
        before = kill * PEOPLE
        await until(lambda least=before + 40: len(google.accepted) > least, 20)  # type: ignore[misc]
        if kill < ROUNDS:
            await one.end(signal.SIGKILL)
            one.start()
    other.signal(signal.SIGSTOP)
    await asyncio.sleep(0.5)
    other.signal(signal.SIGCONT)
    assert await other.end(signal.SIGTERM) == 0, (tmp_path / "log 1").read_text()[-3000:]
    ids = [told.event_id for told in events]
    await until(lambda: {record.nid for record in google.accepted} >= set(ids), 30 + 5 * ROUNDS)
    found = examine(ids, google.records, kills=ROUNDS, in_flight=IN_FLIGHT)
    assert not found, found
    await until(lambda: "exceeded_max_concurrent_streams" not in {r.outcome for r in google.records})
    left = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(10):
            while left != [(0,)]:
                left = await run_on(mysql_url, "SELECT COUNT(*) FROM delivery")
                await asyncio.sleep(0.05)
    assert left == [(0,)]
