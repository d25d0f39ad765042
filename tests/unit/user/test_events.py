"""Facts as the messages that other services read."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from betterproto2 import which_one_of

from firewalker.gen.pb.firewalker.event import v1 as pb
from firewalker.kernel.ids import UserId, new_uuid7, parse_uuid
from firewalker.runtime.outbox import OutboxEvent
from firewalker.user.domain.cheer import CheerKind, CheerSent
from firewalker.user.domain.friendship import (
    FriendRequested,
    FriendRequestWithdrawn,
    FriendshipAccepted,
    FriendshipEnded,
    FriendVisibilityChanged,
    UserBlocked,
    UserUnblocked,
)
from firewalker.user.domain.nickname import Nickname
from firewalker.user.domain.user import (
    Card,
    ProfileChanged,
    TimeZoneChanged,
    User,
    UserSignedUp,
    Visibility,
    VisibilityChanged,
)
from firewalker.user.events import OutboxFacts
from firewalker.user.usecases.ports import Fact

AT = datetime(2026, 5, 20, 12, 0, 0, 123_000, tzinfo=UTC)
ANNA, BORA = UserId(new_uuid7()), UserId(new_uuid7())
PEOPLE = {ANNA: Card(ANNA, "Anna", "https://cdn.example.org/a.webp"), BORA: Card(BORA, "보라")}


class Sheet:
    """Takes the place of the outbox table."""

    def __init__(self) -> None:
        self.events: list[OutboxEvent] = []
        self.receivers: list[object] = []

    async def append(self, _tx: object, events: Sequence[OutboxEvent], *, to: object = None) -> None:
        self.events.extend(events)
        self.receivers.append(to)


async def written(fact: Fact) -> tuple[OutboxEvent, pb.Event]:
    sheet: Any = Sheet()
    tx: Any = None
    await OutboxFacts(sheet).append(tx, [fact], PEOPLE)
    [event] = sheet.events
    return event, pb.Event.parse(event.payload)


@pytest.mark.parametrize(
    ("fact", "kind"),
    [
        (UserSignedUp(User(ANNA, Nickname("Anna"), "a@b.co", "Asia/Seoul", AT), AT), "UserSignedUp"),
        (FriendRequested(ANNA, BORA, AT), "FriendRequested"),
        (FriendshipAccepted(BORA, ANNA, AT), "FriendshipAccepted"),
        (FriendRequestWithdrawn(ANNA, BORA, AT), "FriendRequestWithdrawn"),
        (FriendshipEnded(ANNA, BORA, AT), "FriendshipEnded"),
        (UserBlocked(ANNA, BORA, AT), "UserBlocked"),
        (UserUnblocked(ANNA, BORA, AT), "UserUnblocked"),
        (FriendVisibilityChanged(ANNA, BORA, None, AT), "FriendVisibilityChanged"),
        (VisibilityChanged(ANNA, Visibility.HIDDEN, AT), "VisibilityChanged"),
        (ProfileChanged(PEOPLE[ANNA], AT), "ProfileChanged"),
        (TimeZoneChanged(ANNA, "Asia/Seoul", AT.date(), AT), "TimeZoneChanged"),
        (CheerSent(ANNA, BORA, CheerKind.FIRE, AT), "CheerSent"),
    ],
)
async def test_every_event_has_its_id_kind_and_time(fact: Fact, kind: str) -> None:
    stored, event = await written(fact)
    field = re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()
    assert which_one_of(event, "fact")[0] == field
    assert str(ANNA).encode() in stored.payload
    assert (stored.kind, stored.create_time) == (kind, AT)
    assert parse_uuid(event.event_id) == stored.event_id
    assert event.create_time == AT


async def test_a_sign_up_tells_the_public_side_and_the_zone_alone() -> None:
    stored, event = await written(UserSignedUp(User(ANNA, Nickname("Anna"), "a@b.co", "Asia/Seoul", AT), AT))
    assert event.user_signed_up is not None
    assert event.user_signed_up.time_zone == "Asia/Seoul"
    assert event.user_signed_up.profile == pb.Profile(str(ANNA), "Anna", "https://cdn.example.org/a.webp")
    assert b"a@b.co" not in stored.payload


async def test_a_request_tells_who_asked_whom() -> None:
    _, event = await written(FriendRequested(ANNA, BORA, AT))
    assert event.friend_requested is not None
    assert event.friend_requested.requester == pb.Profile(str(ANNA), "Anna", "https://cdn.example.org/a.webp")
    assert event.friend_requested.addressee_id == str(BORA)


async def test_a_friendship_tells_both_sides_and_since_when() -> None:
    _, event = await written(FriendshipAccepted(accepter=BORA, requester=ANNA, at=AT))
    accepted = event.friendship_accepted
    assert accepted is not None
    assert accepted.accepter == pb.Profile(str(BORA), "보라")
    assert accepted.requester is not None
    assert accepted.requester.user_id == str(ANNA)
    assert accepted.since_time == AT


async def test_a_cheer_goes_to_the_one_service_that_tells_of_it() -> None:
    sheet: Any = Sheet()
    facts: list[Fact] = [FriendRequested(ANNA, BORA, AT), CheerSent(ANNA, BORA, CheerKind.CLAP, AT)]
    await OutboxFacts(sheet).append(sheet, facts, PEOPLE)
    assert sheet.receivers == [None, ("notification",)]
    cheer = pb.Event.parse(sheet.events[1].payload).cheer_sent
    assert cheer is not None
    assert (cheer.kind, cheer.receiver_id) == ("CLAP", str(BORA))
