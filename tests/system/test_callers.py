"""Who may call what: every RPC of the public contract with every kind of caller, none of them written down by name."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.descriptor import FieldDescriptor

from firewalker.kernel.ids import new_uuid7
from firewalker.local.backend import Backend
from tests.system.calls import attempt, fields_of, plausible, request, rpcs
from tests.system.people import AUTH, DEVICES, INBOX, USERS, Person, Town, eventually
from tests.system.test_bad_input import forged
from tests.unit.user.test_policies import PUBLIC

GROUPS = "firewalker.user.v1.GroupService"
FRIENDS = "firewalker.user.v1.FriendService"

NOT_SIGNED_IN = {"ACCESS_TOKEN_INVALID", "ACCESS_TOKEN_EXPIRED", "SESSION_REVOKED"}

FOR_EVERYBODY = {rpc for rpc in rpcs() if rpc.removeprefix("firewalker.user.v1.") in PUBLIC}
"""The list that was agreed on. Nothing of the step and notification services is on it."""

KNOWN_TO_ALL = {
    f"{USERS}/GetUser": "cards of people are public",
    f"{USERS}/ReportUser": "whoever is seen can be reported",
    f"{FRIENDS}/SendFriendRequest": "whoever is seen can be asked",
    f"{FRIENDS}/BlockUser": "whoever is seen can be blocked",
}
"""RPCs that answer a stranger otherwise about what there is than about what there is not, and why they may."""

SUBJECTS = {"session_id", "group_id", "user_id", "code", "upload_id", "installation_id", "notification_ids"}
"""Fields that name something of somebody."""


def test_the_list_of_what_is_public_names_rpcs_that_there_are() -> None:
    assert len(FOR_EVERYBODY) == len(PUBLIC)
    assert set(KNOWN_TO_ALL) <= set(rpcs())


@pytest.mark.requirement("AUTH-08", "AUTH-02", "AUTH-20")
async def test_every_rpc_refuses_everybody_who_is_not_signed_in(town: Town, backend: Backend) -> None:
    person, gone = await town.person(), await town.person()
    await town.user.unary(f"{AUTH}/Logout", {"refreshToken": gone.refresh_token})
    for service in ("user", "step", "notification"):
        probe = next(rpc for rpc in rpcs() if f".{service}." in rpc and "/Get" in rpc and rpc not in FOR_EVERYBODY)

        async def heard(probe: str = probe) -> bool:
            return (await attempt(town, probe, request(probe), gone.token)).reason == "SESSION_REVOKED"

        await eventually(heard, within_s=60)
    now = int(time.time())
    callers = {
        "nobody": (None, "ACCESS_TOKEN_INVALID"),
        "somebody with a token that ran out": (
            forged(backend, person, iat=now - 700, exp=now - 100),
            "ACCESS_TOKEN_EXPIRED",
        ),
        "somebody whose session has ended": (gone.token, "SESSION_REVOKED"),
        "somebody with a token for others": (forged(backend, person, aud="elsewhere"), "ACCESS_TOKEN_INVALID"),
        "somebody with a token of others": (forged(backend, person, iss="elsewhere"), "ACCESS_TOKEN_INVALID"),
        "somebody with a refresh token": (person.refresh_token, "ACCESS_TOKEN_INVALID"),
        "a service": (
            backend.plan.secrets.service_token("step").read_text().strip(),
            "ACCESS_TOKEN_INVALID",
        ),
    }
    wrong = []
    for rpc in rpcs():
        for who, (token, reason) in callers.items():
            outcome = await attempt(town, rpc, request(rpc), token)
            expected = outcome.reason not in NOT_SIGNED_IN if rpc in FOR_EVERYBODY else outcome.reason == reason
            if not expected or outcome.code in {"INTERNAL", "UNKNOWN", "UNIMPLEMENTED"}:
                wrong.append((rpc, who, outcome.code, outcome.reason))
    assert not wrong


@pytest.mark.requirement("AUTH-08")
async def test_every_rpc_admits_who_is_signed_in(town: Town, backend: Backend) -> None:
    person, wrong = await town.person(), []
    for rpc in rpcs():
        # A session of its own each time: some of them end it.
        outcome = await attempt(town, rpc, request(rpc), forged(backend, person, sid=str(uuid4())))
        if outcome.reason in NOT_SIGNED_IN or outcome.code in {"INTERNAL", "UNKNOWN", "UNIMPLEMENTED"}:
            wrong.append((rpc, outcome.code, outcome.reason))
    assert not wrong


@dataclass(frozen=True)
class Belongings:
    """What somebody has that others may not touch nor know of."""

    owner: Person
    ids: dict[str, Any]

    @classmethod
    async def of(cls, town: Town, owner: Person, admirer: Person) -> Belongings:
        """Make some, each by the RPC that it is made by."""

        async def has(rpc: str, **content: Any) -> Any:
            return await town.user.unary(rpc, content, owner.token)

        group = (await has(f"{GROUPS}/CreateGroup", name="Ours", joinPolicy="CODE")).group.group_id
        picture = await has(f"{USERS}/CreateAvatarUpload", contentType="image/png", sizeBytes=5)
        invite = await has(f"{FRIENDS}/CreateInvite")
        await town.user.unary(f"{FRIENDS}/SendFriendRequest", {"userId": owner.user_id}, admirer.token)
        device = {"installationId": "phone-of-" + owner.nickname, "platform": "ANDROID", "registrationToken": "x" * 40}
        await town.notification.unary(f"{DEVICES}/RegisterDevice", device, owner.token)

        async def arrived() -> Any:
            return (await town.notification.unary(f"{INBOX}/ListNotifications", {}, owner.token)).notifications

        [notification] = await eventually(arrived, within_s=60)
        ids = {
            "session_id": owner.session_id,
            "group_id": group,
            "user_id": owner.user_id,
            "code": invite.invite.code,
            "upload_id": picture.upload_id,
            "installation_id": device["installationId"],
            "notification_ids": notification.notification_id,
        }
        assert ids.keys() == SUBJECTS
        return cls(owner, ids)

    async def as_seen(self, town: Town) -> list[bytes]:
        """All of it, as its owner sees it."""
        seen = []
        for client, rpc, content in (
            (town.user, f"{AUTH}/ListSessions", {}),
            (town.user, f"{GROUPS}/GetGroup", {"groupId": self.ids["group_id"]}),
            (town.user, f"{GROUPS}/ListMembers", {"groupId": self.ids["group_id"]}),
            (town.user, f"{FRIENDS}/GetInviteQr", {"code": self.ids["code"]}),
            (town.user, f"{USERS}/GetMe", {}),
            (town.notification, f"{DEVICES}/ListDevices", {}),
            (town.notification, f"{INBOX}/ListNotifications", {}),
        ):
            seen.append((await client.unary(rpc, content, self.owner.token)).SerializeToString(deterministic=True))
        return seen


@pytest.mark.requirement("PRIV-01")
async def test_what_others_have_is_to_a_stranger_as_if_it_were_not_there(town: Town, backend: Backend) -> None:
    admirer, stranger = await town.person(), await town.person()
    theirs = await Belongings.of(town, await town.person(), admirer)
    before = await theirs.as_seen(town)
    told_apart = {}
    about_something = [rpc for rpc in rpcs() if SUBJECTS & {found.name for found in fields_of(rpc).values()}]
    assert len(about_something) >= 39
    for rpc in about_something:
        unknown = {
            "code": "A" * 16,
            "installation_id": "nobodys-phone",
            "upload_id": theirs.ids["upload_id"][:-4] + "AAAA",
        }

        def made_up(found: FieldDescriptor, unknown: dict[str, str] = unknown) -> Any:
            return unknown.get(found.name, str(new_uuid7())) if found.name in SUBJECTS else plausible(found)

        def real(found: FieldDescriptor) -> Any:
            return theirs.ids.get(found.name, plausible(found))

        outcomes = [
            await attempt(town, rpc, request(rpc, fill), forged(backend, stranger, sid=str(uuid4())))
            for fill in (made_up, real)
        ]
        nothing, something = [(outcome.code, outcome.reason) for outcome in outcomes]
        if nothing != something:
            told_apart[rpc] = nothing, something
    assert told_apart.keys() == KNOWN_TO_ALL.keys(), told_apart
    assert await theirs.as_seen(town) == before
