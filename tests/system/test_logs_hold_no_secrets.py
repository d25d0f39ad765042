"""What the processes write, at DEBUG: nothing of what people say, and nothing that opens a door (PRIV-03).

Each field of each RPC gets a word that stands nowhere else; then the same RPCs do what they are for. Whatever was written in
the meantime is looked through, and what callers were told of refusals, and what is measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import httpx
import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from firewalker.kernel.ids import new_uuid7
from firewalker.local.backend import Backend
from firewalker.runtime.grpc.messages import public_descriptors
from tests.support.journal import Journal
from tests.system.calls import SERVICES, attempt, attempt_over, most_alternatives, request, rpcs, rpcs_between_services
from tests.system.people import FRIENDS, LETTERS, TODAY, USERS, ZONE, Town, eventually, new_name
from tests.system.phones import NO_QUIET_HOURS, shown
from tests.system.test_account_over_rest import mailed
from tests.system.test_bad_input import forged
from tests.system.wire import Grpc, refused

MARK = "kanari"
NUMBER = 1_234_567_891

_TOKENS = re.compile(r"fw[rm]1_\w|eyJ[\w-]{8}")
"""How refresh tokens, tokens in mails, and JWTs begin."""


class Words:
    """Words that begin alike and are known by what they were put into."""

    def __init__(self) -> None:
        self.places: list[str] = []

    def word(self, place: str) -> str:
        """A new one for *place*: letters alone, so that it can be a nickname."""
        number, size = len(self.places), len(LETTERS)
        self.places.append(place)
        return MARK + "".join(LETTERS[number // size**power % size] for power in range(4))

    def everywhere(self, rpc: str) -> Any:
        """Fill every field with something of its type, right or wrong."""

        def fill(found: FieldDescriptor) -> Any:
            if found.type == FieldDescriptor.TYPE_STRING or found.name.endswith("mask"):
                return self.word(f"{rpc} {found.name}")
            return NUMBER if found.cpp_type == FieldDescriptor.CPPTYPE_INT32 else None

        return fill

    def well_formed(self, rpc: str) -> Any:
        """Fill every field with what gets past the first look at it."""

        def fill(found: FieldDescriptor) -> Any:
            if found.enum_type is not None:
                return found.enum_type.values[-1].name
            if found.cpp_type == FieldDescriptor.CPPTYPE_INT32:
                return 13
            return self._text(rpc, found) if found.type == FieldDescriptor.TYPE_STRING else None

        return fill

    def _text(self, rpc: str, found: FieldDescriptor) -> str:
        if found.name.endswith("date"):
            return TODAY
        if found.name == "time_zone":
            return ZONE
        if found.name.endswith(("user_id", "group_id", "session_id", "request_id")):
            return str(new_uuid7())
        word = "" if found.name == "page_token" else self.word(f"{rpc} {found.name}")
        return f"{word}@example.org" if found.name.endswith("email") else word


def over_rest(rpc: str, content: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any] | None]]:
    """The verb, path and body of each route of the RPC, with *content* in the path, the query or the body."""
    options = MethodOptions.FromString(public_descriptors().method(f"/{rpc}").GetOptions().SerializeToString())
    main = options.Extensions[annotations_pb2.http]
    for rule in (main, *main.additional_bindings):
        verb = rule.WhichOneof("pattern")
        if verb is None:
            continue
        rest = dict(content)
        template = re.sub(r"{(\w+)}", lambda m: quote(str(rest.pop(m[1], MARK)), safe=""), getattr(rule, verb))  # noqa: B023
        body = None
        if rule.body == "*":
            body, rest = rest, {}
        elif rule.body:
            body = rest.pop(rule.body, {})
        query = urlencode([(name, value) for name, value in rest.items() if isinstance(value, str | int)])
        yield verb.upper(), f"{template}?{query}" if query else template, body


class Watched:
    """What the processes write from here on."""

    def __init__(self, journal: Journal, backend: Backend) -> None:
        self._journal, self._backend = journal, backend
        self._start = journal.path.stat().st_size

    async def lines(self) -> list[str]:
        """All of it, once every process has written what it did: a last call of each is waited for."""
        last = f"last-{uuid4()}"
        for service in SERVICES:
            client = Grpc(self._backend.address(service))
            probe = next(rpc for rpc in rpcs() if f".{service}." in rpc)
            call = client.channel.unary_unary(f"/{probe}")
            await refused(call(b"", metadata=[("x-request-id", f"{last}-{service}")], timeout=60))
            await client.close()
        async with httpx.AsyncClient(base_url=f"http://{self._backend.address('transcoder')}") as rest:
            await rest.get("/v1/users/me", headers={"x-request-id": f"{last}-transcoder"})

        async def written() -> list[str]:
            with self._journal.path.open() as file:
                file.seek(self._start)
                lines = file.read().splitlines()
            ends = [f"request_id={last}-{process}" for process in (*SERVICES, "transcoder")]
            return lines if all(any(end in line for line in lines) for end in ends) else []

        found: list[str] = await eventually(written, within_s=60)
        return found


def ensure_clean(lines: list[str], words: Words, secrets: list[str]) -> None:
    """Fail with what stands in *lines* that should not."""
    found = [
        line
        for line in lines
        if MARK in line.lower()
        or str(NUMBER) in line
        or _TOKENS.search(line)
        or re.search(r"\bsteps=|\btotal=", line)
        or any(secret in line for secret in secrets)
    ]
    assert not found, (found[:10], words.places)


async def ask_over_rest(rest: httpx.AsyncClient, rpc: str, content: dict[str, Any], token: str) -> None:
    """Ask by all of the RPC's routes."""
    for verb, path, body in over_rest(rpc, content):
        headers = {"authorization": f"Bearer {token}", "referer": MARK, "user-agent": MARK}
        asked = rest.build_request(verb, path, json=body, headers=headers)
        async with aclosing(await rest.send(asked, stream=True)) as answer:
            assert answer.status_code < 500, (verb, path)


async def fill_between_services(backend: Backend, service: str, words: Words) -> None:
    """Call what only services may call, as one of them; RPCs that *service* does not have are unimplemented."""
    client = Grpc(backend.address(service, "INTERNAL_PORT"))
    credential = backend.plan.secrets.service_token("step" if service != "step" else "user").read_text().strip()
    for rpc in rpcs_between_services():
        for fill in (words.everywhere(rpc), words.well_formed(rpc)):
            for choice in range(most_alternatives(rpc)):
                content = request(rpc, fill, choice=choice)
                outcome = await attempt_over(client.channel, rpc, content, credential)
                assert outcome.code not in {"INTERNAL", "UNKNOWN"}, (rpc, content)
    await client.close()


@pytest.mark.requirement("PRIV-03")
async def test_no_process_writes_what_stood_in_any_field_of_any_rpc(
    town: Town, backend: Backend, rest: httpx.AsyncClient, journal: Journal
) -> None:
    words, watched, person = Words(), Watched(journal, backend), await town.person()
    told: list[str] = []
    for rpc in rpcs():
        for fill in (words.everywhere(rpc), words.well_formed(rpc)):
            # A session of its own each time: some of them end it.
            token = forged(backend, person, sid=str(uuid4()))
            for choice in range(most_alternatives(rpc)):
                content = request(rpc, fill, choice=choice)
                outcome = await attempt(town, rpc, content, token)
                assert outcome.code not in {"INTERNAL", "UNKNOWN", "UNIMPLEMENTED"}, (rpc, content)
                told.append(outcome.refusal.text if outcome.refusal else "")
            await ask_over_rest(rest, rpc, content, token)
    for service in SERVICES:
        await fill_between_services(backend, service, words)
    for word in (f"Bearer {words.word('a token')}", words.word("a scheme")):
        call = town.user.channel.unary_unary(f"/{USERS}/GetMe")
        await refused(call(b"", metadata=[("authorization", word), ("x-other", words.word("a header"))], timeout=60))
    assert len(words.places) > 300
    lines = await watched.lines()
    assert sum(" method=" in line for line in lines) > 150
    ensure_clean(lines, words, [person.user_id, person.email, person.nickname, person.password])
    assert not [text for text in told if MARK in text.lower()]
    for process in (*SERVICES, "transcoder"):
        measured = (await rest.get(f"http://{backend.address(process, 'METRICS_PORT')}/metrics")).text
        assert "# HELP" in measured
        assert MARK not in measured.lower()


@pytest.mark.requirement("PRIV-03", "AUTH-10")
async def test_no_process_writes_the_secrets_of_who_lives_here(
    town: Town, backend: Backend, rest: httpx.AsyncClient, journal: Journal
) -> None:
    words, watched = Words(), Watched(journal, backend)
    friend = await town.person("Friend")
    nickname, password, other = new_name(MARK), words.word("password"), words.word("another password")
    email, device = f"{words.word('email')}@example.org", words.word("device name")
    form = {"email": email, "password": password, "nickname": nickname, "timeZone": ZONE, "deviceName": device}

    async def post(path: str, signed_in: str = "", /, **body: Any) -> Any:
        answer = await rest.post(path, json=body, headers={"authorization": f"Bearer {signed_in}"} if signed_in else {})
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    user, tokens = (await post("/v1/auth/signup", **form)).values()
    access, signed = tokens["accessToken"], {"authorization": f"Bearer {tokens['accessToken']}"}
    for wrong in (words.word("wrong password"), ""):
        assert (await rest.post("/v1/auth/login", json={"email": email, "password": wrong})).status_code in {400, 401}
    session = (await post("/v1/auth/login", email=email, password=password, installationId=device))["tokens"]
    first, second = session["refreshToken"], ""
    for presented in (first, first):
        second = (await post("/v1/auth/refresh", refreshToken=presented))["tokens"]["refreshToken"]
    await post("/v1/auth/refresh", refreshToken=second)
    assert (await rest.post("/v1/auth/refresh", json={"refreshToken": first})).status_code == 401
    verify = await mailed(backend, email, 1)
    await post("/v1/auth/email:verify", token=verify)
    await post("/v1/auth/password", access, currentPassword=password, newPassword=other)
    await post("/v1/auth/password-reset", email=email)
    reset = await mailed(backend, email, 2)
    registration = words.word("registration") + "x" * 40
    body = {"platform": "ANDROID", "registrationToken": registration, "locale": "ko-KR"}
    assert (await rest.put(f"/v1/devices/{device}", json=body, headers=signed)).status_code == 200
    await rest.patch("/v1/notifications/preferences", json=NO_QUIET_HOURS, headers=signed)
    await town.user.unary(f"{FRIENDS}/SendFriendRequest", {"nickname": nickname}, friend.token)
    await eventually(lambda: shown(backend, friend), within_s=60)
    await post(f"/v1/friend-requests/{friend.user_id}:accept", access)
    readings = [{"deviceId": device, "date": TODAY, "hour": 9, "steps": 4321}]
    await post("/v1/steps", access, readings=readings)
    invite = (await post("/v1/friend-invites", access))["invite"]["code"]
    assert (await rest.get(f"/v1/users:search?query={nickname[:8]}", headers=signed)).json()["users"] == []
    upload = await post("/v1/users/me/avatar:upload", access, contentType="image/png", sizeBytes=4)
    await rest.put(upload["uploadUrl"], content=b"fake", headers=upload["headers"])
    assert (
        await rest.post("/v1/users/me/avatar:commit", json={"uploadId": upload["uploadId"]}, headers=signed)
    ).is_error
    async with rest.stream("GET", "/v1/users/me:export", headers=signed) as answer:
        assert nickname in (await answer.aread()).decode()
    await post("/v1/auth/password-reset:confirm", token=reset, newPassword=password)
    again = (await post("/v1/auth/login", email=email, password=password))["tokens"]["accessToken"]
    await post("/v1/users/me:delete", again, password=password)
    secrets = [user["userId"], nickname, invite, upload["uploadId"], friend.user_id, friend.nickname, friend.email]
    secrets += [tokens["sessionId"], verify[6:], reset[6:], access[-40:], first[6:40], second[6:40], registration]
    ensure_clean(await watched.lines(), words, secrets)
