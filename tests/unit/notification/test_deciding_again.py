"""What becomes of a message that has waited to be sent, by what is true at that moment."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from firewalker.kernel.ids import NotificationId, UserId, new_uuid7
from firewalker.notification.domain.delivery import Content, Delivery
from firewalker.notification.domain.device import Platform
from firewalker.notification.domain.notification import KINDS, Type
from firewalker.notification.domain.preferences import Channel, Preferences, Recipient
from firewalker.notification.domain.push import Decision, Later, Never, Now, Verdict, decide_again
from firewalker.notification.domain.quiet_hours import QuietHours
from tests.support.clock import NOON

ME = Recipient(UserId(new_uuid7()))
ASLEEP = replace(ME, preferences=Preferences(quiet_hours=QuietHours(11 * 60, 13 * 60)))
LATE = NOON + timedelta(hours=1)
SOON = NOON + timedelta(seconds=30)


def queued(kind: Type, lives: timedelta = timedelta(hours=2)) -> Delivery:
    nid = NotificationId(new_uuid7())
    return Delivery(
        UUID(int=1), ME.user_id, nid, "phone", Platform.ANDROID, kind, KINDS[kind].lane, None, {}, "",
        Content("", "", "", {}, None, 1), NOON, NOON, NOON + lives, NOON,
    )  # fmt: skip


def unwanted(*types: Type) -> Recipient:
    return replace(ME, preferences=Preferences(channels=dict.fromkeys(types, Channel.INBOX)))


@pytest.mark.requirement("DLV-09")
@pytest.mark.parametrize(
    ("kind", "recipient", "verdict", "unread", "decision"),
    [
        (Type.CHEER, ME, Verdict.HOLDS, True, Now()),
        (Type.CHEER, unwanted(Type.CHEER), Verdict.HOLDS, True, Never("unwanted")),
        (Type.CHEER, unwanted(Type.OVERTAKEN), Verdict.HOLDS, True, Now()),
        (Type.SECURITY, unwanted(Type.SECURITY), Verdict.HOLDS, True, Never("unwanted")),
        (Type.CHEER, replace(ME, erased=True), Verdict.HOLDS, True, Never("unwanted")),
        (Type.CHEER, ME, Verdict.HOLDS, False, Never("read")),
        (Type.CHEER, ME, Verdict.MOOT, True, Never("moot")),
        (Type.CHEER, ASLEEP, Verdict.HOLDS, True, Later(LATE)),
        (Type.CHEER, ASLEEP, Verdict.MOOT, True, Never("moot")),
        (Type.SECURITY, ASLEEP, Verdict.HOLDS, True, Now()),
        (Type.CHEER, ME, Verdict.UNKNOWN, True, Now()),
        (Type.OVERTAKEN, ME, Verdict.UNKNOWN, True, Later(SOON, unsure=True)),
        (Type.OVERTAKEN, ME, Verdict.UNANSWERABLE, True, Later(SOON, unsure=True)),
        (Type.OVERTAKEN, ME, Verdict.HOLDS, True, Now()),
    ],
)
def test_it_is_sent_put_off_or_dropped(
    kind: Type,
    recipient: Recipient,
    verdict: Verdict,
    unread: bool,  # noqa: FBT001 - a parameter of the table
    decision: Decision,
) -> None:
    assert decide_again(queued(kind), recipient, verdict, unread=unread, at=NOON) == decision


def test_what_would_be_stale_after_quiet_hours_is_not_put_off() -> None:
    short = queued(Type.OVERTAKEN, timedelta(minutes=30))
    assert decide_again(short, ASLEEP, Verdict.HOLDS, unread=True, at=NOON) == Never("expired")
    assert decide_again(short, ME, Verdict.HOLDS, unread=True, at=short.expire_time) == Never("expired")
