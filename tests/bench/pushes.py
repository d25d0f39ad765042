"""Pushes a second of one process against the FCM emulator with 100 ms of latency, beside Google's own sender.

    python -m tests.bench.pushes [--seconds S] [--json FILE]

Four senders, each for as long: the client of the notification service alone; the whole of it, from the queue in MySQL to the
note that it is done; `firebase-admin` one by one; and its asynchronous batch. CPU is that of the sending process alone: the
emulator is a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import uuid
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from firewalker.kernel.clock import SystemClock
from firewalker.kernel.ids import NotificationId, UserId, new_uuid7
from firewalker.local.ports import free
from firewalker.local.secrets import Secrets, make_fcm_secrets, make_secrets
from firewalker.local.servers import PrivateServers
from firewalker.notification.domain.delivery import Content, Delivery
from firewalker.notification.domain.device import Platform
from firewalker.notification.domain.notification import Lane, Type
from firewalker.notification.fcm.answers import Kind
from firewalker.notification.fcm.breakers import Breakers
from firewalker.notification.fcm.client import FcmClient
from firewalker.notification.fcm.credentials import CredentialsFile
from firewalker.notification.fcm.pace import Pace
from firewalker.notification.sender import Sender
from firewalker.notification.store.deliveries import Deliveries
from firewalker.notification.store.devices import Devices
from firewalker.notification.store.notifications import Notifications
from firewalker.notification.store.pushes import Pushes
from firewalker.notification.store.recipients import Recipients
from firewalker.notification.usecases.queue import Queue
from firewalker.notification.usecases.taking_back import TakingBack
from firewalker.runtime import logging
from firewalker.runtime.migrations import migrate
from firewalker.runtime.mysql import Database

LATENCY_S = 0.1
IN_FLIGHT = 192
QUEUED = 20_000


class Watch:
    """Wall time and CPU of this process since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), self._used()

    @staticmethod
    def _used() -> float:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime

    def figure(self, what: str, pushes: int) -> dict[str, Any]:
        wall, cpu = time.perf_counter() - self._wall, self._used() - self._cpu
        return {"what": what, "per_second": pushes / wall, "cpu_us": cpu / max(pushes, 1) * 1e6}


async def alone(secrets: Secrets, url: str, seconds: float) -> dict[str, Any]:
    """The client, without a queue."""
    client = FcmClient(
        CredentialsFile(secrets.fcm_account),
        SystemClock(),
        base_url=url,
        ca_file=secrets.fcm_authority,
        most_in_flight=IN_FLIGHT,
    )
    body = {
        "message": {
            "token": "a-good-token",
            "data": {"nid": "n"},
            "android": {"notification": {"title": "t", "body": "b"}},
        }
    }
    await client.ask(body, 0)
    watch, until, sent = Watch(), time.perf_counter() + seconds, 0

    async def sending() -> None:
        nonlocal sent
        while time.perf_counter() < until:
            answer = await client.ask(body, 0)
            assert answer.kind is Kind.ACCEPTED, answer
            sent += 1

    await asyncio.gather(*(sending() for _ in range(IN_FLIGHT)))
    figure = watch.figure("client, 192 in flight", sent)
    await client.close()
    return figure


class _NoQuestions:
    async def verdicts(self, told: Any) -> Any:
        raise AssertionError(told)


class _NobodyLeaves:
    def has_ended(self, session: Any) -> bool:
        del session
        return False

    async def among(self, sessions: Any) -> Any:
        del sessions
        return set()


class _NoPruning:
    async def prune(self, device: Any, code: str) -> None:
        raise AssertionError(f"{code} for {device}")


async def queued(secrets: Secrets, url: str, seconds: float, mysql_url: str) -> dict[str, Any]:
    """From the queue in MySQL: claimed, sent, noted."""
    await migrate(mysql_url, files("firewalker.notification") / "store" / "schema")
    async with Database(mysql_url, pool_size=4) as database:
        deliveries, devices, clock = Deliveries(), Devices(), SystemClock()
        await fill(database, deliveries)
        client = FcmClient(
            CredentialsFile(secrets.fcm_account),
            clock,
            base_url=url,
            ca_file=secrets.fcm_authority,
            most_in_flight=IN_FLIGHT,
        )
        await client.tokens.current()
        queue = Queue(
            database,
            clock,
            deliveries=deliveries,
            devices=devices,
            notifications=Notifications(),
            taking_back=TakingBack(database, clock, recipients=Recipients(), pushes=Pushes(), deliveries=deliveries),
            recipients=Recipients(),
            rechecks=_NoQuestions(),
            sessions=_NobodyLeaves(),
            lease_s=30,
        )
        sender = Sender(
            queue,
            client,
            _NoPruning(),
            clock,
            pace=Pace(clock, ramp_s=0),
            breakers=Breakers(clock),
            most_in_flight=IN_FLIGHT,
        )
        watch = Watch()
        await sender.start()
        await asyncio.sleep(seconds)
        await sender.stop()
        async with database.reading() as tx:
            ((left,),) = await tx.all("SELECT COUNT(*) FROM delivery")
        figure = watch.figure("queue to done, 192 in flight", QUEUED - left)
        await client.close()
        return figure


async def fill(database: Database, deliveries: Deliveries) -> None:
    """Queue so many that they last, each for a device of its own."""
    now = datetime.now(UTC)
    content = Content("Friend request", "지수 wants to be your friend.", str(uuid.uuid4()), {}, None, 1)
    for start in range(0, QUEUED, 1_000):
        users = [UserId(new_uuid7()) for _ in range(1_000)]
        rows = [
            (f"phone {start + n}", user.bytes, user.bytes, "ANDROID", "token", f"token-{start + n:06}", user.bytes * 2,
             user.bytes, "", "", now, now)
            for n, user in enumerate(users)
        ]  # fmt: skip
        made = [
            Delivery(
                new_uuid7(), user, NotificationId(new_uuid7()), f"phone {start + n}", Platform.ANDROID, Type.FRIEND_REQUEST,
                Lane.PEOPLE, None, {}, "", content, now, now, now + timedelta(hours=1), now + timedelta(hours=1),
            )
            for n, user in enumerate(users)
        ]  # fmt: skip
        async with database.transaction() as tx:
            await tx.execute_rows(
                "INSERT INTO device (installation_id, user_id, session_id, platform, target, registration, registration_hash,"
                " generation, app_version, locale, register_time, last_seen_time) VALUES",
                "(%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s)",
                rows,
            )
            await deliveries.add(tx, made)


def one_by_one(secrets: Secrets, url: str, seconds: float) -> dict[str, Any]:
    """`firebase_admin.messaging.send` in a loop."""
    messaging, app = _firebase(secrets, url)
    message = messaging.Message(token="a-good-token", notification=messaging.Notification("t", "b"))
    messaging.send(message, app=app)
    watch, until, sent = Watch(), time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        messaging.send(message, app=app)
        sent += 1
    return watch.figure("firebase-admin, one by one", sent)


async def batches(secrets: Secrets, url: str, seconds: float) -> dict[str, Any]:
    """`firebase_admin.messaging.send_each_async`, 192 messages at a time."""
    messaging, app = _firebase(secrets, url)
    some = [
        messaging.Message(token="a-good-token", notification=messaging.Notification("t", "b")) for _ in range(IN_FLIGHT)
    ]
    watch, until, sent = Watch(), time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        sent += (await messaging.send_each_async(some, app=app)).success_count
    return watch.figure("firebase-admin, async batches of 192", sent)


def _firebase(secrets: Secrets, url: str) -> tuple[Any, Any]:
    import firebase_admin  # noqa: PLC0415
    from firebase_admin import credentials, messaging  # noqa: PLC0415

    app = firebase_admin.initialize_app(credentials.Certificate(str(secrets.fcm_account)), name=str(uuid.uuid4()))
    service = messaging._get_messaging_service(app)
    service._fcm_url = f"{url}/v1/projects/{app.project_id}/messages:send"
    return messaging, app


@asynccontextmanager
async def emulator(folder: Path) -> AsyncIterator[tuple[Secrets, str]]:
    """An emulator in a process of its own, with latency."""
    secrets, ports = make_secrets(folder / "secrets"), free()
    plain, tls = ports["FIREWALKER_EMULATOR_PORT"], ports["FIREWALKER_EMULATOR_TLS_PORT"]
    make_fcm_secrets(secrets, tls)
    environment = {
        **os.environ, "FIREWALKER_EMULATOR_PORT": str(plain), "FIREWALKER_EMULATOR_TLS_PORT": str(tls),
        "FIREWALKER_EMULATOR_ACCOUNT_FILE": str(secrets.fcm_account),
        "FIREWALKER_EMULATOR_CERTIFICATE_FILE": str(secrets.fcm_certificate),
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "firewalker.emulator", env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    os.environ |= {"SSL_CERT_FILE": str(secrets.fcm_authority), "REQUESTS_CA_BUNDLE": str(secrets.fcm_authority)}
    try:
        async with httpx.AsyncClient() as admin:
            await admin.put(
                f"http://127.0.0.1:{plain}/script", json={"latency_s": LATENCY_S, "quota_a_minute": 10_000_000}
            )
        yield secrets, f"https://127.0.0.1:{tls}"
    finally:
        process.terminate()
        await process.wait()


async def measure(seconds: float, servers: PrivateServers, folder: Path) -> list[dict[str, Any]]:
    """All four."""
    async with emulator(folder) as (secrets, url):
        return [
            await alone(secrets, url, seconds),
            await queued(secrets, url, seconds, servers.mysql_url("bench")),
            await asyncio.to_thread(one_by_one, secrets, url, seconds),
            await batches(secrets, url, seconds),
        ]


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.pushes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=8.0, help="for each sender")
    parser.add_argument("--json", type=Path, help="write the figures there")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.configure(level="error", form="json", service="bench")
    with (
        tempfile.TemporaryDirectory() as folder,
        PrivateServers.start(Path(folder) / "servers", databases=("bench",)) as servers,
    ):
        figures = asyncio.run(measure(asked.seconds, servers, Path(folder)))
    table = Table(title="Pushes of one process, FCM emulator with 100 ms latency")
    for heading in ("sender", "a second", "CPU µs a push"):
        table.add_column(heading, justify="left" if heading == "sender" else "right")
    for figure in figures:
        table.add_row(figure["what"], f"{figure['per_second']:,.0f}", f"{figure['cpu_us']:,.0f}")
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    if asked.json:
        asked.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
