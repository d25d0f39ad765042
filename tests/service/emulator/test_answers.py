"""The emulator answers as FCM does."""

import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from firewalker.kernel.clock import SystemClock
from firewalker.notification.fcm.access_tokens import AccessTokens
from firewalker.notification.fcm.answers import Kind, classify
from firewalker.notification.fcm.credentials import CredentialsFile
from tests.fcm_oracle.cases import RIGHT, WRONG
from tests.support.clock import NOON
from tests.support.emulator import Google, google
from tests.support.waiting import until_true

TOKEN = "a-good-token"
ANY: dict[str, Any] = {"token": TOKEN, "notification": {"title": "t"}}


class Phone:
    """Asks the emulator as any sender would."""

    def __init__(self, google: Google, client: httpx.AsyncClient, bearer: str) -> None:
        self.google, self.client, self.bearer = google, client, bearer

    async def send(
        self, message: Any, *, project: str = "firewalker-local", bearer: str | None = None, **more: Any
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.bearer if bearer is None else bearer}"}
        url = f"{self.google.url}/v1/projects/{project}/messages:send"
        return await self.client.post(url, json={"message": message, **more}, headers=headers)


@pytest.fixture
async def phone(tmp_path: Path) -> AsyncIterator[Phone]:
    async with google(tmp_path) as running:
        tls = ssl.create_default_context(cafile=running.ca_file)
        async with httpx.AsyncClient(http1=False, http2=True, verify=tls) as client:
            tokens = AccessTokens(CredentialsFile(running.credentials), client, SystemClock())
            yield Phone(running, client, (await tokens.current()).text)


async def test_a_message_is_taken_and_shown(phone: Phone) -> None:
    answer = await phone.send({"token": TOKEN, "android": {"ttl": "60s", "notification": {"title": "Hi", "tag": "x"}}})
    assert answer.status_code == 200
    assert answer.json()["name"].startswith("projects/firewalker-local/messages/")
    assert answer.http_version == "HTTP/2"
    (shown,) = phone.google.fcm.screen.shown
    assert (shown.title, shown.platform, shown.times) == ("Hi", "android", 1)
    await phone.send({"token": TOKEN, "android": {"notification": {"title": "Ho", "tag": "x"}}})
    (shown,) = phone.google.fcm.screen.shown
    assert (shown.title, shown.times) == ("Ho", 2)


async def test_a_check_is_not_shown(phone: Phone) -> None:
    answer = await phone.send(ANY, validate_only=True)
    assert answer.json()["name"] == "projects/firewalker-local/messages/fake_message_id"
    assert phone.google.fcm.screen.shown == []


MORE: list[Any] = [
    ({"token": TOKEN, "data": {"a": 12}}, 400, "Invalid value at 'message.data[0].value' (TYPE_STRING), 12"),
    ({"token": TOKEN, "data": {"a": "b" * 4096}}, 400, "Request contains an invalid argument."),
    ({"token": TOKEN, "data": {"a": "b" * 2048}}, 200, ""),
    ({"token": TOKEN, "android": {"collapseKey": "a", "priority": "high"}}, 200, ""),
]


async def test_what_is_wrong_is_said_as_google_says_it(phone: Phone) -> None:
    for message, status, text in [*WRONG, *((message, 200, "") for message in RIGHT), *MORE]:
        answer = await phone.send(message)
        assert answer.status_code == status, message
        assert text in answer.json().get("error", {}).get("message", "")


SCRIPTED: list[Any] = [
        ("unregistered", Kind.GONE), ("malformed", Kind.GONE), ("mismatch", Kind.GONE), ("third-party", Kind.PARKED),
        ("denied", Kind.PARKED), ("not-found", Kind.PARKED), ("429:120", Kind.LATER), ("quota-device", Kind.LATER),
        ("500", Kind.LATER), ("502", Kind.LATER), ("503:20", Kind.LATER), ("flaky:1", Kind.LATER), ("empty", Kind.UNKNOWN),
        ("drip", Kind.ACCEPTED), ("goaway-after", Kind.ACCEPTED),
    ]  # fmt: skip


async def test_a_scripted_answer_is_understood(phone: Phone) -> None:
    for behaviour, kind in SCRIPTED:
        phone.google.fcm.script.load({"targets": {TOKEN: behaviour}})
        answer = await phone.send(ANY)
        assert classify(answer.status_code, answer.headers, answer.content, attempts=0, at=NOON).kind is kind, behaviour
        assert phone.google.records[-1].accepted is (kind in {Kind.ACCEPTED, Kind.UNKNOWN})


async def test_a_wrong_bearer_or_project_is_no_registrations_fault(phone: Phone) -> None:
    for answer, status in (
        (await phone.send(ANY, bearer="x"), 401),
        (await phone.send(ANY, project="other"), 404),
    ):
        assert answer.status_code == status
        assert "FcmError" not in answer.text


async def test_the_quota_is_by_the_minute_and_time_can_pass(phone: Phone) -> None:
    async with httpx.AsyncClient(base_url=phone.google.plain_url) as admin:
        assert (await admin.put("/script", json={"quota_a_minute": 3, "retry_after": "7"})).status_code == 200
        assert [(await phone.send(ANY)).status_code for _ in range(4)] == [200, 200, 200, 429]
        assert (await phone.send(ANY)).headers["retry-after"] == "7"
        await admin.post("/clock", json={"advance_s": 60})
        assert (await phone.send(ANY)).status_code == 200
        records = (await admin.get("/ledger?after=3")).json()["records"]
        assert [record["outcome"] for record in records] == ["quota", "quota", "accepted"]
        assert "Nothing" not in (await admin.get("/")).text
        assert (await admin.put("/script", json={"targets": {"x": "dance"}})).status_code == 400
        await admin.post("/clock", json={"advance_s": 3600})
        # The connection is an hour old too: it ends, and what is sent just then fails, more than once on a busy machine.
        answers: list[int] = []

        async def answered() -> bool:
            with contextlib.suppress(httpx.TransportError):
                answers.append((await phone.send(ANY)).status_code)
            return bool(answers)

        await until_true(answered)
        assert answers == [401]
        await admin.post("/reset")
        assert (await admin.get("/screen")).json() == {"pushes": []}


async def test_the_ledger_is_on_disk_before_the_answer(phone: Phone) -> None:
    await phone.send(ANY)
    (line,) = phone.google.ledger_file.read_text().splitlines()
    assert TOKEN not in line
    assert '"accepted": true' in line
