"""The bodies that go to FCM, one per platform; what is refused here would be refused there."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.emulator.checks import complaint
from firewalker.emulator.shapes import normal
from firewalker.kernel.ids import NotificationId, UserId
from firewalker.notification.domain.content import content_of
from firewalker.notification.domain.delivery import Content, Delivery
from firewalker.notification.domain.device import MAX_TOKEN, Platform, Registration, Target
from firewalker.notification.domain.notification import KINDS, Lane, Notification, Type
from firewalker.notification.domain.preferences import Locale, Recipient
from firewalker.notification.domain.push import Push
from firewalker.notification.fcm.messages import faults_of, message_of, probe_of

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
NID = "0198a000-0000-7000-8000-000000000001"
TOKEN = Registration(Target.TOKEN, "a-token")

CONTENT = Content(
    title="순위가 바뀌었어요", body="지수님이 앞질렀어요.", tag="OVERTAKEN:2026-05-20", data={"date": "2026-05-20"},
    ttl_s=900, badge=3, collapse="overtaken",
)  # fmt: skip


def delivery(
    platform: Platform, content: Content = CONTENT, kind: Type = Type.OVERTAKEN, left: timedelta = timedelta(minutes=30)
) -> Delivery:
    return Delivery(
        delivery_id=UUID(int=1), user_id=UserId(UUID(int=2)), notification_id=NotificationId(UUID(NID)), installation_id="phone",
        platform=platform, type=kind, lane=Lane.STANDINGS, actor_id=None, params={}, fold_key="", content=content,
        create_time=NOW, due_time=NOW, expire_time=NOW + left, check_time=NOW,
    )  # fmt: skip


DATA = {"date": "2026-05-20", "nid": NID, "type": "OVERTAKEN"}


@pytest.mark.requirement("FCM-13", "FCM-11", "FCM-23")
def test_android_is_told_this() -> None:
    assert message_of(delivery(Platform.ANDROID), TOKEN, NOW) == {
        "message": {
            "token": "a-token",
            "data": DATA,
            "android": {
                "collapse_key": "overtaken",
                "priority": "HIGH",
                "ttl": "900s",
                "notification": {
                    "title": "순위가 바뀌었어요",
                    "body": "지수님이 앞질렀어요.",
                    "tag": "OVERTAKEN:2026-05-20",
                    "channel_id": "standings",
                    "visibility": "PRIVATE",
                    "notification_count": 3,
                },
            },
        }
    }


@pytest.mark.requirement("FCM-13", "FCM-11")
def test_apple_is_told_this() -> None:
    assert message_of(delivery(Platform.IOS, left=timedelta(minutes=5)), TOKEN, NOW)["message"] == {
        "token": "a-token",
        "data": DATA,
        "apns": {
            "headers": {
                "apns-priority": "10",
                "apns-expiration": str(int(NOW.timestamp()) + 300),
                "apns-collapse-id": "OVERTAKEN:2026-05-20",
            },
            "payload": {
                "aps": {
                    "alert": {"title": "순위가 바뀌었어요", "body": "지수님이 앞질렀어요."},
                    "badge": 3,
                    "sound": "default",
                    "thread-id": "standings",
                }
            },
        },
    }


@pytest.mark.requirement("FCM-13", "FCM-15")
def test_browsers_are_told_this() -> None:
    body = message_of(delivery(Platform.WEB), Registration(Target.FID, "a-fid"), NOW)["message"]
    assert body == {
        "fid": "a-fid",
        "data": DATA,
        "webpush": {
            "headers": {"TTL": "900", "Urgency": "high"},
            "notification": {
                "title": "순위가 바뀌었어요",
                "body": "지수님이 앞질렀어요.",
                "tag": "OVERTAKEN:2026-05-20",
            },
        },
    }


@pytest.mark.requirement("FCM-13")
def test_every_type_lives_as_long_as_it_is_news() -> None:
    assert KINDS[Type.OVERTAKEN].ttl == KINDS[Type.TOOK_FIRST_PLACE].ttl == timedelta(minutes=15)
    assert KINDS[Type.FRIEND_REQUEST].lives == timedelta(days=3)
    assert set(KINDS) == set(Type)
    # FCM holds messages for 4 collapse keys of a device at once.
    assert len([kind for kind in KINDS.values() if kind.replaces]) <= 4


@pytest.mark.requirement("FCM-12")
@pytest.mark.parametrize("kind", Type)
def test_the_longest_names_fit_beside_the_longest_registration(kind: Type) -> None:
    longest = {
        "user_id": NID, "group_id": NID, "date": "2026-05-20", "steps": "100000", "daily_steps": "100000", "rank": "1",
        "ranked": "501", "nickname": "🏃" * 20, "group_name": "🏃" * 40, "device_name": "🏃" * 64, "kind": "NEW_LOGIN",
    }  # fmt: skip
    told = Notification(NotificationId(UUID(NID)), UserId(UUID(int=2)), kind, longest, NOW)
    for locale in Locale:
        content = content_of(Push.of(told, NOW), [told] * 2, Recipient(told.user_id), locale, 10_000)
        for platform in Platform:
            message = message_of(delivery(platform, content, kind), Registration(Target.TOKEN, "x" * MAX_TOKEN), NOW)
            assert faults_of(message) == []


_texts = st.text(max_size=60)
_contents = st.builds(
    Content,
    title=_texts,
    body=st.text(max_size=1_500),
    tag=st.text(max_size=40),
    data=st.dictionaries(
        st.sampled_from(["date", "from", "google.x", "gcm", "gcm.notification.a", "message_type", "fromage"]) | _texts,
        _texts,
        max_size=4,
    ),
    ttl_s=st.none() | st.integers(0, 10_000_000),
    badge=st.integers(0, 10_000),
    collapse=st.text(max_size=20),
)


@pytest.mark.requirement("FCM-12")
@given(
    content=_contents,
    platform=st.sampled_from(Platform),
    target=st.builds(Registration, st.sampled_from(Target), st.text(max_size=300)),
    left=st.timedeltas(timedelta(days=-1), timedelta(days=60)),
)
def test_what_is_taken_here_is_taken_there(
    content: Content, platform: Platform, target: Registration, left: timedelta
) -> None:
    body = message_of(delivery(platform, content, left=left), target, NOW)
    if faults_of(body):
        return
    sent = json.loads(json.dumps(body))
    request, wrong = normal(sent)
    assert wrong is None
    assert complaint(request["message"]) is None


@pytest.mark.requirement("FCM-12")
@pytest.mark.parametrize(
    "message",
    [
        {"data": {"a": "b"}},
        {"token": "a", "topic": "b"},
        {"token": "a", "data": {"a": 7}},
        {"token": "a", "data": {"from": "x"}},
        {"token": "a", "data": {"a": "x" * 5_000}},
        {"token": "a", "android": {"ttl": "9999999s"}},
        {"token": "a", "android": {"ttl": "1.5h"}},
        {"token": "a", "fcm_options": {"analytics_label": "a b"}},
        {"token": "a", "apns": {"headers": {"apns-priority": 10}}},
        {"token": "a", "apns": {"headers": {"apns-collapse-id": "x" * 65}}},
        {"token": "a", "webpush": {"fcm_options": {"link": "http://x"}}},
    ],
)
def test_what_fcm_would_refuse_is_refused_here(message: dict[str, Any]) -> None:
    assert faults_of({"message": message})


def test_secrets_do_not_show() -> None:
    registration = Registration(Target.TOKEN, "very-secret")
    assert "very-secret" not in repr(registration) + repr(replace(registration, target=Target.FID))
    assert faults_of(probe_of(registration)) == []
