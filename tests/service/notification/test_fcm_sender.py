"""The sender against the emulator: access tokens, connections, pruning, breakers, and what is written about it."""

import asyncio
import io
import json
import logging
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import structlog
from structlog.testing import capture_logs

from firewalker.emulator.keys import new_service_account
from firewalker.kernel.faults import DatabaseUnavailable
from firewalker.kernel.ids import new_uuid7
from firewalker.notification.fcm.access_tokens import NoAccessToken
from firewalker.notification.fcm.answers import Answer, Kind, Scope
from firewalker.notification.fcm.client import FcmClient
from firewalker.notification.fcm.credentials import CredentialsFile, read_service_account
from firewalker.notification.store.deliveries import Deliveries
from firewalker.notification.store.pushes import Pushes
from firewalker.notification.usecases.backlog import Backlog
from firewalker.notification.usecases.queue import Queue
from firewalker.runtime.config import ConfigError
from firewalker.runtime.logging import configure
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.mysql import Database
from tests.service.notification.conftest import Office, event
from tests.support.clock import FakeClock
from tests.support.emulator import Google, google
from tests.support.waiting import until, until_true

BODY = {"message": {"token": "a-good-token", "data": {"nid": "n"}}}


@asynccontextmanager
async def client_of(running: Google, **more: Any) -> AsyncIterator[tuple[FcmClient, FakeClock]]:
    clock = FakeClock()
    # The emulator's time runs on; the client's stands at the same instant until a test moves both.
    running.fcm.clock.advance(clock.now().timestamp() - running.fcm.clock.now())
    client = FcmClient(
        CredentialsFile(running.credentials), clock, base_url=running.url, ca_file=running.ca_file, **more
    )
    try:
        yield client, clock
    finally:
        await client.close()


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Google]:
    async with google(tmp_path) as made:
        yield made


async def ask(client: FcmClient, count: int, token: str = "a-good-token") -> list[Answer]:
    body = {"message": {"token": token, "data": {"nid": "n"}}}
    return await asyncio.gather(*(client.ask(body, 0) for _ in range(count)))


@pytest.mark.requirement("FCM-02", "FCM-09")
async def test_many_who_wait_ask_for_one_token_and_keep_to_the_streams(running: Google) -> None:
    running.fcm.script.load({"latency_s": 0.02})
    async with client_of(running, most_in_flight=250) as (client, clock):
        answers = await ask(client, 400)
        assert {answer.kind for answer in answers} == {Kind.ACCEPTED}
        assert running.fcm.tokens.asked == 1
        clock.advance(3_599)
        running.fcm.clock.advance(3_599)
        await ask(client, 300)
        assert running.fcm.tokens.asked == 2
    assert {record.outcome for record in running.records} == {"accepted"}
    assert len({record.connection for record in running.records}) >= 3


@pytest.mark.requirement("FCM-02")
async def test_a_token_is_renewed_before_it_expires_and_kept_if_that_fails(running: Google) -> None:
    async with client_of(running) as (client, clock):
        await ask(client, 1)
        for ahead in (3_400, 90):  # less than 225 s are left, then less still
            clock.advance(ahead)
            running.fcm.clock.advance(ahead)
            running.fcm.script.load({"token": ["invalid_grant"]})
            assert {answer.kind for answer in await ask(client, 20)} == {Kind.ACCEPTED}
            await until(lambda: not running.fcm.script.token)
        assert running.fcm.tokens.asked == 3
        clock.advance(30)
        running.fcm.clock.advance(30)
        assert {answer.kind for answer in await ask(client, 20)} == {Kind.ACCEPTED}
        await until(lambda: running.fcm.tokens.asked == 4)


@pytest.mark.requirement("FCM-03")
@pytest.mark.parametrize(
    ("step", "good"), [("string", True), ("missing", False), ("html", False), ("invalid_grant", False)]
)
async def test_what_the_token_endpoint_says_is_checked(
    running: Google,
    step: str,
    good: bool,  # noqa: FBT001 - a parameter of the table
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("firewalker.notification.fcm.access_tokens.FIRST_PAUSE_S", 0.01)
    running.fcm.script.load({"token": [step] * 3})
    async with client_of(running) as (client, _):
        if good:
            assert (await client.tokens.current()).text.startswith("ya29.")
            return
        with pytest.raises(NoAccessToken) as refused:
            await client.tokens.current()
        assert refused.value.passing is (step != "invalid_grant")
        assert running.fcm.tokens.asked == (1 if step == "invalid_grant" else 3)
        running.fcm.script.load({"token": []})
        assert (await client.ask(BODY, 0)).kind is Kind.ACCEPTED


@pytest.mark.requirement("FCM-17")
async def test_a_platforms_fault_asks_for_no_other_token(running: Google) -> None:
    async with client_of(running) as (client, _):
        answers = await ask(client, 100, "third-party.token")
        assert {(answer.kind, answer.scope) for answer in answers} == {(Kind.PARKED, Scope.PLATFORM)}
        assert running.fcm.tokens.asked == 1


@pytest.mark.requirement("FCM-19")
async def test_another_service_account_is_taken_up_while_messages_flow(running: Google) -> None:
    async with client_of(running) as (client, _):
        await ask(client, 5)
        again = running.credentials.with_suffix(".new")
        shutil.copy(running.credentials, again)
        account = json.loads(again.read_text())
        again.write_text(json.dumps(account | {"client_id": "2"}))
        again.replace(running.credentials)
        assert {answer.kind for answer in await ask(client, 5)} == {Kind.ACCEPTED}
        running.credentials.write_text("half a fi")
        with capture_logs() as lines:
            assert {answer.kind for answer in await ask(client, 5)} == {Kind.ACCEPTED}
        assert [line["event"] for line in lines] == ["fcm_credentials_unreadable"]


@pytest.mark.requirement("FCM-19")
@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"private_key": "x"}', b"\xff"])
def test_what_is_no_service_account_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "account.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        read_service_account(path)
    path.write_bytes(new_service_account("http://insecure/token"))
    with pytest.raises(ConfigError) as refused:
        read_service_account(path)
    assert "BEGIN" not in str(refused.value)


@pytest.mark.requirement("FCM-09", "FCM-10")
@pytest.mark.parametrize("fault", ["accept-never-answer", "accept-then-drop", "goaway-before"])
async def test_a_connection_in_doubt_is_replaced(running: Google, fault: str) -> None:
    running.fcm.script.load({"targets": {"a-bad-token-this-time": [fault, "ok"]}})
    async with client_of(running, answer_s=3) as (client, _):
        first = await client.ask({"message": {"token": "a-bad-token-this-time"}}, 0)
        assert first.kind in {Kind.UNKNOWN, Kind.ACCEPTED}
        assert {answer.kind for answer in await ask(client, 30)} == {Kind.ACCEPTED}


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_what_is_not_to_be_sent_any_more_does_not_go_out(running: Google) -> None:
    async with client_of(running) as (client, _):
        before = sample("firewalker_fcm_answer_seconds_count")
        assert (await client.ask(BODY, 0, lambda: False)).kind is Kind.WITHHELD
        assert sample("firewalker_fcm_answer_seconds_count") == before
        assert (await client.ask(BODY, 0, lambda: True)).kind is Kind.ACCEPTED
    assert len(running.records) == 1


async def test_nobody_at_the_other_end_is_an_answer_too(running: Google) -> None:
    async with client_of(running) as (client, _):
        await client.tokens.current()
        client._base_url = "https://127.0.0.1:1"
        assert (await client.ask(BODY, 0)).kind is Kind.UNKNOWN


# -- with the queue ----------------------------------------------------------------------------------------------------


async def security(office: Office, *users: Any) -> None:
    await office.tell(*(event(office.clock.now(), security_noticed={"user_id": str(u), "kind": 2}) for u in users))


@pytest.mark.requirement("FCM-05")
async def test_only_the_registration_that_was_refused_is_pruned(office: Office) -> None:
    me, other = new_uuid7(), new_uuid7()
    await office.register(me, "gone", token="unregistered.token")
    await office.register(other, "renewed", token="a-token-renewed-meanwhile")
    office.google.fcm.script.load({"targets": {"a-token-renewed-meanwhile": ["slow:1", "ok"]}})
    await security(office, me)
    await office.settled()
    assert await office.sql("SELECT installation_id FROM device ORDER BY 1") == [("renewed",)]
    (pruner,) = [part._pruning for part in office.service.app.parts if type(part).__name__ == "Sender"]  # type: ignore[attr-defined]
    stale = (await pruner._devices.list(other))[0]
    await office.register(other, "renewed", token="a-token-renewed-meanwhile")
    await pruner.prune(stale, "unregistered")
    assert await office.sql("SELECT installation_id FROM device") == [("renewed",)]
    assert await office.sql("SELECT COUNT(*) FROM prune") == [(1,)]


def withheld() -> float:
    return sample("firewalker_deliveries_total", type="SECURITY", outcome="withheld")


@pytest.mark.requirement("DLV-02")
async def test_who_waited_for_longer_than_the_lease_leaves_the_message_to_others(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firewalker.notification.fcm.access_tokens.FIRST_PAUSE_S", 0.2)
    me = new_uuid7()
    await office.register(me, "phone", token="the-token-of-a-phone")
    office.google.fcm.script.load({"token": ["503"]})
    before = withheld()
    with capture_logs() as lines:
        await security(office, me)
        await until(lambda: office.google.fcm.tokens.asked == 1, 60)
        office.advance(20)  # while it waits for an access token
        await office.pushed(1, within_s=60)
        await office.settled()
    assert [line["code"] for line in lines if line["event"] == "fcm_answer"] == ["withheld"]
    assert (withheld() - before, sample("firewalker_fcm_answers_total", kind="withheld", code="withheld")) == (1, 0)
    assert len(office.google.records) == 1


@pytest.mark.requirement("DLV-02", "FCM-11")
async def test_what_fcm_took_is_not_sent_again_while_that_cannot_be_written_down(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = new_uuid7()
    await office.register(me, "phone", token="the-token-of-a-phone")
    with monkeypatch.context() as away:

        async def refuse(*_: object) -> None:
            raise DatabaseUnavailable

        away.setattr(Queue, "accepted", refuse)
        await security(office, me)
        await office.pushed(1)
        # The database is back for longer than a lease before anything is written down.
        await office.sql("UPDATE delivery SET lease_until = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND")
        office.wake()
        await until_true(lambda: is_claimed_again(office))
    await office.settled()
    assert await office.sql("SELECT COUNT(*) FROM delivery") == [(0,)]
    assert len(office.google.records) == 1


async def is_claimed_again(office: Office) -> bool:
    return await office.sql("SELECT COUNT(*) FROM delivery WHERE claims > 1") == [(1,)]


@pytest.mark.requirement("FCM-22")
async def test_pruning_halts_when_everybody_is_said_to_be_gone(office: Office) -> None:
    crowd = [new_uuid7() for _ in range(30)]
    for number, user in enumerate(crowd):
        await office.register(user, f"phone {number}", token=f"unregistered.{number}")
    await security(office, *crowd)
    await office.settled()
    (left,) = await office.sql("SELECT COUNT(*) FROM device")
    assert 30 - 10 - 8 <= left[0] <= 20  # type: ignore[operator]


@pytest.mark.requirement("FCM-18", "FCM-10")
async def test_what_needs_a_repair_is_kept_until_a_probe_finds_it_mended(office: Office) -> None:
    apple, android = new_uuid7(), new_uuid7()
    await office.register(apple, "iphone", token="the-token-of-an-iphone", platform=2)
    await office.register(android, "phone", token="the-token-of-an-android")
    office.google.fcm.script.load({"targets": {"the-token-of-an-iphone": ["third-party", "third-party", "ok"]}})
    await security(office, apple)
    await until(lambda: len(office.google.records) == 1)
    await security(office, android, apple)
    await office.pushed(1)
    assert {record.outcome for record in office.google.records} == {"third_party", "accepted"}
    await office.mended(3)
    probes = [record.outcome for record in office.google.records if record.validate_only]
    assert probes == ["third_party", "validated"]


@pytest.mark.requirement("FCM-18")
async def test_a_project_that_may_not_send_asks_nothing_more_and_loses_nothing(office: Office) -> None:
    crowd = [new_uuid7() for _ in range(20)]
    for number, user in enumerate(crowd):
        await office.register(user, f"phone {number}", token=f"token-number-{number}")
    office.google.fcm.script.load({"denied": True})
    await security(office, *crowd)
    await until(lambda: office.google.records)
    await asyncio.sleep(0.1)
    asked = len(office.google.records)
    assert asked <= 20
    office.google.fcm.script.load({"denied": False})
    await office.mended(20)
    assert await office.sql("SELECT COUNT(*) FROM device") == [(20,)]


@pytest.mark.requirement("DLV-04")
async def test_what_was_given_up_is_shown_and_can_be_replayed(office: Office) -> None:
    me = new_uuid7()
    await office.register(me, "phone", token="the-token-of-a-phone")
    office.google.fcm.script.load({"every": [{"n": 1, "do": "503:10"}]})
    await security(office, me)
    for _ in range(20):
        await office.settled()
        office.advance(13)
        office.wake()
    async with Database(office.mysql_url, pool_size=1) as database:
        backlog = Backlog(database, office.clock, deliveries=Deliveries(), pushes=Pushes())
        (dead,) = await backlog.dead()
        assert (dead.type, dead.error, dead.number) == ("SECURITY", "http_503", 1)
        assert len(office.google.records) == 12
        office.google.fcm.script.load({"every": []})
        assert await backlog.replay() == 1
    office.wake()
    await office.pushed(1)


async def one_waits(office: Office) -> tuple[UUID, UUID]:
    """Two people with phones; what is for the first one's waits, as FCM is away for it."""
    me, other = new_uuid7(), new_uuid7()
    await office.register(me, "phone", token="the-token-of-a-phone")
    await office.register(other, "other", token="the-token-of-another")
    office.google.fcm.script.load({"targets": {"the-token-of-a-phone": "503"}})
    await security(office, me)
    await office.settled()
    return me, other


@pytest.mark.requirement("DLV-04")
async def test_what_kills_everybody_who_works_on_it_is_given_up_and_others_flow(office: Office) -> None:
    _, other = await one_waits(office)
    await office.sql("UPDATE delivery SET claims = attempts + 5")  # as after five workers that died over it
    await security(office, other)
    await office.later(30)
    await office.pushed(1)
    assert await office.sql("SELECT state, last_error FROM delivery") == [("DEAD", "abandoned")]


async def test_what_cannot_be_read_is_given_up_and_others_flow(office: Office) -> None:
    me, other = await one_waits(office)
    await office.sql("""UPDATE delivery SET content = '{"of": "a later version"}'""")
    await security(office, other)
    await office.later(30)
    await office.pushed(1)
    assert await office.sql("SELECT state, last_error FROM delivery") == [("DEAD", "unreadable")]
    await office.sql(
        "UPDATE push SET type = 'OF_LATER', state = 'WAITING', push_time = NULL WHERE user_id = %s", me.bytes
    )
    await security(office, other)
    await office.pushed(2)
    await office.settled()
    assert await office.sql("SELECT state, outcome FROM push WHERE type = 'OF_LATER'") == [("DROPPED", "unreadable")]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """What is logged at DEBUG, libraries included, as a process would write it."""
    root, stream = logging.getLogger(), io.StringIO()
    before = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", stream)
    configure(level="debug", form="json", service="notification")
    try:
        yield stream.getvalue
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
        structlog.reset_defaults()


@pytest.mark.requirement("FCM-20")
async def test_nothing_that_is_secret_is_logged_at_any_level(written: Callable[[], str], office: Office) -> None:
    me = new_uuid7()
    await office.register(me, "phone", token="secret-registration-token")
    await office.register(me, "gone", token="unregistered.secret-token")
    await office.register(me, "refused", token="malformed.secret-token")
    await office.register(me, "browser", fid="secret-installation-id", platform=3)
    office.google.fcm.script.load({"targets": {"secret-registration-token": ["503", "accept-then-drop", "ok"]}})
    await office.request_from(new_uuid7(), me, "secret-nickname")
    for _ in range(4):
        await office.later(30)
    await office.pushed(3)
    text = written()
    for secret in ("secret-registration", "secret-token", "secret-installation", "ya29.", "secret-nickname", "BEGIN"):
        assert secret not in text, secret
    assert text.count("fcm_answer") >= 4
