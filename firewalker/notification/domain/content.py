"""What a push says, and under which names it takes the place of an earlier one."""

import hashlib
from collections.abc import Sequence

from firewalker.notification.domain.delivery import Content
from firewalker.notification.domain.notification import Notification
from firewalker.notification.domain.preferences import Locale, PushText, Recipient
from firewalker.notification.domain.push import Push
from firewalker.notification.domain.text import bare_text, text_of_all

_FACTS = ("user_id", "group_id", "date")
"""What the app is told beside the words, to open the right page."""


def content_of(push: Push, told: Sequence[Notification], recipient: Recipient, locale: Locale, badge: int) -> Content:
    """The content of *push*, which tells *told*, newest first; *badge* is how many notifications are unread."""
    newest, kind = told[0], push.kind
    tag = push.fold_key[:64] if kind.replaces else str(newest.notification_id)
    ttl_s = int(kind.ttl.total_seconds()) if kind.ttl is not None else None
    if recipient.preferences.push_text is PushText.BARE:
        text = bare_text(locale)
        if kind.replaces:
            # With a name of type and date alone, everybody's would be the same, and tried out in a moment.
            tag = hashlib.sha256(recipient.user_id.bytes + tag.encode()).hexdigest()[:32]
        return Content(
            text.title, text.body, tag, {}, ttl_s, badge, collapse="news" if kind.replaces else "", bare=True
        )
    text = text_of_all(told, locale)
    facts = {name: newest.params[name] for name in _FACTS if name in newest.params}
    collapse = newest.type.value.lower() if kind.replaces else ""
    return Content(text.title, text.body, tag, facts, ttl_s, badge, collapse)
