"""What a push says, and under which names it takes the place of an earlier one."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from firewalker.kernel.ids import UserId
from firewalker.notification.domain.delivery import Content
from firewalker.notification.domain.notification import Kind, Notification
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
    content = Content("", "", tag, {}, ttl_s, badge)
    if recipient.preferences.push_text is PushText.BARE:
        return bared(content, kind, recipient.user_id, locale)
    text = text_of_all(told, locale)
    facts = {name: newest.params[name] for name in _FACTS if name in newest.params}
    collapse = newest.type.value.lower() if kind.replaces else ""
    return replace(content, title=text.title, body=text.body, data=facts, collapse=collapse)


def bared(content: Content, kind: Kind, user: UserId, locale: Locale) -> Content:
    """*content*, for *user*, without anything that tells what it is of."""
    text, tag = bare_text(locale), content.tag
    if kind.replaces:
        # With a name of type and date alone, everybody's would be the same, and tried out in a moment.
        tag = hashlib.sha256(user.bytes + tag.encode()).hexdigest()[:32]
    collapse = "news" if kind.replaces else ""
    return replace(content, title=text.title, body=text.body, tag=tag, data={}, collapse=collapse, bare=True)
