"""What pushes say and are called, for who wants to be told little."""

from datetime import timedelta

import pytest

from firewalker.kernel.ids import NotificationId, UserId, new_uuid7
from firewalker.notification.domain.content import content_of
from firewalker.notification.domain.delivery import Content
from firewalker.notification.domain.notification import Notification, Type
from firewalker.notification.domain.preferences import Locale, Preferences, PushText, Recipient
from firewalker.notification.domain.push import Push
from tests.support.clock import NOON


def bare(user: UserId, kind: Type, notification_id: NotificationId) -> Content:
    told = Notification(notification_id, user, kind, {"date": "2026-05-20", "nickname": "Jisoo"}, NOON)
    recipient = Recipient(user, Preferences(push_text=PushText.BARE))
    return content_of(Push.of(told, NOON + timedelta(seconds=1)), [told], recipient, Locale.EN, 1)


@pytest.mark.requirement("FCM-21")
def test_the_name_of_a_bare_push_is_each_users_own_and_a_later_one_still_replaces_it() -> None:
    one, other = UserId(new_uuid7()), UserId(new_uuid7())
    tags = [bare(user, Type.OVERTAKEN, NotificationId(new_uuid7())).tag for user in (one, one, other)]
    assert tags[0] == tags[1]
    assert tags[0] != tags[2]
    assert bare(one, Type.GOAL_REACHED, NotificationId(new_uuid7())).tag != tags[0]


def test_a_bare_push_that_replaces_nothing_is_called_by_its_notification() -> None:
    notification_id = NotificationId(new_uuid7())
    found = bare(UserId(new_uuid7()), Type.FRIEND_REQUEST, notification_id)
    assert (found.tag, found.data, found.collapse) == (str(notification_id), {}, "")
