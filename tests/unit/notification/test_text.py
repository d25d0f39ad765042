"""Words for every type of notification in every locale."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from firewalker.kernel.ids import NotificationId, UserId
from firewalker.notification.domain.notification import Notification, Type
from firewalker.notification.domain.text import Locale, text_of


def _notification(kind: Type, nickname: str = "지수") -> Notification:
    return Notification(
        notification_id=NotificationId(uuid4()),
        user_id=UserId(uuid4()),
        type=kind,
        params={"user_id": str(uuid4()), "nickname": nickname},
        create_time=datetime(2026, 5, 20, tzinfo=UTC),
    )


@pytest.mark.parametrize("locale", Locale)
@pytest.mark.parametrize("kind", Type)
def test_every_type_has_words_in_every_locale(kind: Type, locale: Locale) -> None:
    text = text_of(_notification(kind), locale)
    assert text.title
    assert "지수" in text.body


def test_a_nickname_with_braces_is_only_a_nickname() -> None:
    assert "{user_id}" in text_of(_notification(Type.FRIEND_REQUEST, "{user_id}"), Locale.EN).body
