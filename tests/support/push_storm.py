"""Everything at once that may befall pushes, drawn from a seed; then the emulator's ledger is examined.

    python -m tests.support.push_storm [--seed N] [--rounds N]

Two worker processes share the queue. Each round tells some hundred people of something; FCM answers many with 429, 503,
500 or HTML, ends connections at any frame, and forgets its access tokens; registrations are revoked, people sign out; one
worker is killed, the other stands still for longer than its leases and is stopped later; machines' clocks jump; time passes
from one thing that is due to the next, until everything is done.
"""

import argparse
import asyncio
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc.aio

from firewalker.emulator.ledger import digest
from firewalker.kernel.ids import new_uuid7
from firewalker.local.secrets import Secrets, make_secrets
from firewalker.local.servers import PrivateServers
from firewalker.notification.domain.device import Registration, Target
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.migrations import migrate
from tests.support.databases import run_on
from tests.support.emulator import Google, google
from tests.support.push_ledger import Findings, Span, examine
from tests.support.push_worker import IN_FLIGHT, LEASE_S, Ahead, Worker
from tests.support.waiting import until

PEOPLE = 80
"""Who are told something in a round."""

FAULTS = (
    "quota-device", "quota-device:75", "503", "503:45", "500", "502", "empty", "slow:.3",
    "accept-then-drop", "accept-then-partial", "accept-then-reset", "accept-never-answer", "refuse-stream",
    "goaway-before", "goaway-at", "goaway-mid", "goaway-data", "goaway-after", "drip", "close",
)  # fmt: skip
"""The project's own 429 is not among them: it slows a sender down by its own clock, which does not jump with the rest."""

_LEAVING = 4
"""Of each round, so many sign out before they are told, and as many registrations are revoked."""

_DEVICE = re.compile(r"device=([0-9a-f]{12})")

Event = message_class("firewalker.event.v1.Event")
Deliver = message_class("firewalker.event.v1.DeliverRequest")
Delivered = message_class("firewalker.event.v1.DeliverResponse")


@dataclass
class Told:
    """What has to be shown, what may be, and until when."""

    ids: list[str] = field(default_factory=list)
    maybe: list[str] = field(default_factory=list)
    expire: dict[str, float] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    """From when to when a worker was not what it should be."""


class Storm:
    """One run; `blow` begins it."""

    def __init__(
        self,
        google: Google,
        secrets: Secrets,
        workers: list[Worker],
        *,
        ahead: Ahead,
        mysql_url: str,
        dice: random.Random,
    ) -> None:
        self.google = google
        self._secrets = secrets
        self._workers = workers
        self._ahead = ahead
        self._mysql_url = mysql_url
        self._dice = dice
        self.told = Told()
        self._people = 0

    async def blow(self, rounds: int) -> Findings:
        """All rounds, and what the ledger says of them."""
        for worker in self._workers:
            worker.start()
        for number in range(rounds):
            await self._under_way(self._round(number))
            victim, other = self._dice.sample(self._workers, 2)
            await self._kill(victim)
            self.google.fcm.tokens.revoke_all()
            victim.start()
            await self._pause(other)
            await self._under_way(self._tell_of_security(await self._newcomers(2 * IN_FLIGHT), other))
            await self._stop(other)
            other.start()
            await self._settle()
        return examine(
            self.told.ids,
            self.google.records,
            maybe=self.told.maybe,
            expire=self.told.expire,
            spans=self.told.spans,
            in_flight=IN_FLIGHT,
            unheard=self._unheard(),
        )

    def _unheard(self) -> Mapping[str, int]:
        """How often senders say that no answer came, by what the ledger calls the device."""
        tokens = [self._token(number) for number in range(self._people)]
        targets = {Registration(Target.TOKEN, token).digest.hex()[:12]: digest(token) for token in tokens}
        lines = [line for worker in self._workers for line in worker.log.read_text().splitlines()]
        devices = [_DEVICE.findall(line) for line in lines if "fcm_answer" in line and "kind=unknown" in line]
        return Counter(targets[device] for (device,) in devices)

    async def _under_way(self, telling: Awaitable[None]) -> None:
        """Return when some of what is told was sent, and much of it is not done."""
        least = len(self.google.accepted) + IN_FLIGHT // 2
        await telling
        await until(lambda: len(self.google.accepted) > least, 60)

    async def _round(self, number: int) -> None:
        """Tell people, after some of them have left."""
        people = await self._newcomers(PEOPLE)
        left, revoked, rest = people[:_LEAVING], people[_LEAVING : 2 * _LEAVING], people[2 * _LEAVING :]
        targets = {self._token(n): ["unregistered"] for n, _ in revoked}
        # For some FCM asks for so much patience that what there is to tell is no news any more.
        late, unlucky = rest[: len(rest) // 8], rest[-2 * len(FAULTS) :]
        # Every fault befalls two, and half of them meet another one after it.
        for (n, _), fault in zip(unlucky, 2 * FAULTS, strict=True):
            targets[self._token(n)] = [fault, *self._dice.choices(FAULTS, k=self._dice.randint(0, 1)), "ok"]
        targets |= {self._token(n): ["503:3600", "503:3600", "503:3600", "ok"] for n, _ in late}
        self.google.fcm.script.load({"targets": targets})
        ended = [{"user_id": str(user), "session_id": str(user), "installation_id": ""} for _, user in left]
        await self._tell([self._event(session_ended=fact) for fact in ended])
        nothing = [self._event(security_noticed={"user_id": str(user), "kind": 2}) for _, user in (*left, *revoked)]
        goals = [
            self._event(
                goal_reached={"walker": {"user_id": str(u)}, "date": f"{self._now():%Y-%m-%d}", "daily_steps": 1}
            )
            for _, u in late
        ]
        self.told.maybe += [goal.event_id for goal in goals]
        self.told.expire |= {goal.event_id: (self._now() + timedelta(hours=2)).timestamp() for goal in goals}
        await self._tell([*nothing, *goals])
        await self._tell_of_security(rest, self._workers[number % 2])

    async def _tell_of_security(self, people: Sequence[tuple[int, UUID]], worker: Worker) -> None:
        """Something that has to be shown."""
        events = [self._event(security_noticed={"user_id": str(user), "kind": 2}) for _, user in people]
        self.told.ids += [event.event_id for event in events]
        await self._tell(events, worker)

    async def _kill(self, victim: Worker) -> None:
        began = self._now().timestamp()
        await asyncio.to_thread(victim.end, signal.SIGKILL)
        self.told.spans.append(Span(began, self._now().timestamp() + 1))

    async def _pause(self, worker: Worker) -> None:
        """Stop it until its leases are over, and others have begun to work on what it had."""
        began = self._now().timestamp()
        worker.tell(signal.SIGSTOP)
        await asyncio.sleep(LEASE_S + 0.5)
        worker.tell(signal.SIGCONT)
        self.told.spans.append(Span(began, self._now().timestamp() + 1))

    async def _stop(self, worker: Worker) -> None:
        assert await asyncio.to_thread(worker.end, signal.SIGTERM) == 0, worker.log.read_text()[-3_000:]

    async def _settle(self) -> None:
        """Let time pass until nothing waits: neither to be sent nor to be tried again."""
        limit = time.monotonic() + 60
        while True:
            left, wait_s = await self._left()
            if not left:
                return
            if time.monotonic() > limit:
                rows = await run_on(
                    self._mysql_url, "SELECT type, attempts, last_error, due_time FROM delivery LIMIT 20"
                )
                raise AssertionError(f"{left} are not done: {rows}")
            if wait_s > 0:
                self._advance(wait_s + 20)
            await asyncio.sleep(0.1)

    async def _left(self) -> tuple[int, int]:
        """How many wait, and how long until the next of them is due."""
        waiting = (
            "SELECT due_time FROM push WHERE state = 'WAITING' UNION ALL"
            " SELECT due_time FROM delivery WHERE state = 'QUEUED'"
        )
        wait_s = f"TIMESTAMPDIFF(SECOND, '{self._now():%Y-%m-%d %H:%M:%S}', MIN(due_time))"
        ((left, seconds),) = await run_on(self._mysql_url, f"SELECT COUNT(*), {wait_s} FROM ({waiting}) AS w")  # noqa: S608
        return int(str(left)), int(str(seconds or 0))

    def _advance(self, seconds: float) -> None:
        """No message comes or goes between the two."""
        self._ahead.advance(seconds)
        self.google.fcm.clock.advance(seconds)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(time.time() + self._ahead.seconds, UTC)

    def _event(self, **facts: Any) -> Any:
        made = Event(event_id=str(new_uuid7()), **facts)
        made.create_time.FromDatetime(self._now())
        return made

    async def _tell(self, events: list[Any], worker: Worker | None = None) -> None:
        """Deliver, again until it is acknowledged."""
        credential = [("authorization", f"Bearer {self._secrets.service_token('user').read_text().strip()}")]
        options = [(f"grpc.{which}_reconnect_backoff_ms", 200) for which in ("initial", "min", "max")]
        port = (worker or self._workers[0]).internal
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel:
            call = channel.unary_unary(
                "/firewalker.event.v1.EventSinkService/Deliver",
                request_serializer=Deliver.SerializeToString,
                response_deserializer=Delivered.FromString,
            )
            for start in range(0, len(events), 50):
                some = Deliver(events=events[start : start + 50])
                await call(some, metadata=credential, timeout=60, wait_for_ready=True)

    async def _newcomers(self, count: int) -> list[tuple[int, UUID]]:
        """Users with a registered device each, put where registering would put them."""
        people = [(self._people + n, new_uuid7()) for n in range(count)]
        self._people += count
        rows = ",".join(
            f"('phone {n}', 0x{user.hex}, 0x{user.hex}, 'ANDROID', 'token', '{self._token(n)}',"
            f" UNHEX(SHA2('{user}', 256)), 0x{user.hex}, '', '', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))"
            for n, user in people
        )
        columns = (
            "installation_id, user_id, session_id, platform, target, registration, registration_hash, generation,"
            " app_version, locale, register_time, last_seen_time"
        )
        await run_on(self._mysql_url, f"INSERT INTO device ({columns}) VALUES {rows}")  # noqa: S608
        return people

    @staticmethod
    def _token(number: int) -> str:
        return f"token-number-{number:05}"


@asynccontextmanager
async def storm(folder: Path, mysql_url: str, redis_url: str, seed: int) -> AsyncIterator[Storm]:
    """All that is needed for one."""
    secrets = make_secrets(folder)
    await migrate(mysql_url, files("firewalker.notification") / "store" / "schema")
    ahead = Ahead(folder / "ahead")
    async with google(folder) as running:
        running.fcm.script.load({"latency_s": 0.4})
        workers = [
            Worker(running, secrets, mysql_url, redis_url, ahead=ahead, seed=f"{seed} {n}", log=folder / f"log {n}")
            for n in range(2)
        ]
        try:
            yield Storm(running, secrets, workers, ahead=ahead, mysql_url=mysql_url, dice=random.Random(seed))
        finally:
            for worker in workers:
                worker.end(signal.SIGKILL)


async def _run(folder: Path, servers: PrivateServers, seed: int, rounds: int) -> int:
    async with storm(folder, servers.mysql_url("storm"), servers.redis_url(0), seed) as made:
        found = await made.blow(rounds)
        records, told = made.google.records, made.told
        outcomes = sorted({record.outcome for record in records} | {record.fault for record in records if record.fault})
        sys.stdout.write(
            f"seed {seed}: {len(told.ids)} told in {rounds} rounds, {len(records)} messages asked, "
            f"{sum(record.accepted for record in records)} accepted; met: {', '.join(outcomes)}\n"
        )
        sys.stdout.write(f"{found or 'nothing lost, invented, doubled, early, stacked or stale'}\n")
        return int(bool(found))


def main() -> int:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.push_storm",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--rounds", type=int, default=5, help="each takes some ten seconds")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        PrivateServers.start(Path(folder) / "servers", databases=("storm",)) as servers,
    ):
        return asyncio.run(_run(Path(folder), servers, asked.seed, asked.rounds))


if __name__ == "__main__":
    sys.exit(main())
