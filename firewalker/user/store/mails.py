"""Rows of `mail`: what is to be sent, what has become of it. Leases and retries go by the database's clock."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog

from firewalker.kernel.ids import MailId, UserId
from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.email import Email
from firewalker.user.domain.mail import Mail, MailKind
from firewalker.user.store.columns import uuid_of

SENT = "SENT"
"""The outcome of a mail that a server took."""

_ADD = """
    INSERT INTO mail (mail_id, kind, user_id, email, email_key, create_time, traceparent)
    VALUES (%(mail_id)s, %(kind)s, %(user_id)s, %(email)s, %(email_key)s, %(create_time)s, %(traceparent)s)
"""

_NEXT = """
    SELECT mail_id, kind, user_id, email, create_time, traceparent FROM mail
    WHERE end_time IS NULL AND due_time <= CURRENT_TIMESTAMP(3)
    ORDER BY due_time LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""  # mail_next

_LEASE = """
    UPDATE mail SET attempts = attempts + 1, due_time = CURRENT_TIMESTAMP(3) + INTERVAL %(seconds)s SECOND
    WHERE mail_id = %(mail_id)s
"""  # primary key

# What became of a mail stays: who had it before, and was too slow, may still tell of a failure.
_END = """
    UPDATE mail SET end_time = CURRENT_TIMESTAMP(3), outcome = %(outcome)s
    WHERE mail_id = %(mail_id)s AND end_time IS NULL
"""  # primary key

_PUT_OFF = """
    UPDATE mail SET outcome = %(outcome)s, end_time = IF(attempts >= %(most)s, CURRENT_TIMESTAMP(3), NULL),
      due_time = CURRENT_TIMESTAMP(3) + INTERVAL LEAST(3600, 15 * POW(2, LEAST(attempts, 9))) SECOND
    WHERE mail_id = %(mail_id)s AND end_time IS NULL
"""  # primary key

_COUNT_SENT = f"""
    SELECT COUNT(*) FROM mail
    WHERE email_key = %(email_key)s AND kind = %(kind)s AND outcome = '{SENT}' AND create_time > %(since)s
      AND end_time IS NOT NULL
"""  # mail_of_address

_FORGET = "DELETE FROM mail WHERE end_time < %(before)s ORDER BY end_time LIMIT %(limit)s"
# mail_next

_HOLD = "SELECT 1 FROM mail WHERE mail_id = %(mail_id)s AND end_time IS NULL FOR UPDATE"
# primary key

_WITHDRAW = """
    UPDATE mail SET end_time = CURRENT_TIMESTAMP(3), outcome = 'WITHDRAWN'
    WHERE user_id = %(user_id)s AND kind = %(kind)s AND end_time IS NULL
"""  # mail_of_user

_FORGET_OF_NOBODY = "DELETE FROM mail WHERE email_key = %(email_key)s AND user_id IS NULL"
# mail_of_address

_log = structlog.get_logger(__name__)


class Mails:
    """The mails of this database."""

    async def add(self, tx: Transaction, mail: Mail) -> None:
        """Add a mail that is due now."""
        await tx.execute(
            _ADD,
            {
                "mail_id": mail.mail_id,
                "kind": mail.kind,
                "user_id": mail.user_id,
                "email": mail.email.text,
                "email_key": mail.email.key,
                "create_time": mail.create_time,
                "traceparent": mail.traceparent or None,
            },
        )

    async def lease(self, tx: Transaction, limit: int, seconds: int, most: int) -> Sequence[Mail]:
        """Take up to *limit* mails that are due, and count an attempt on each. Nobody else gets them for so many seconds.

        What cannot be read, as a kind that only a newer release knows, is put off as if it had failed, with *most* attempts
        like the others.
        """
        mails = []
        for row in await tx.all(_NEXT, {"limit": limit}):
            mail_id = MailId(uuid_of(row[0]))
            await tx.execute(_LEASE, {"mail_id": mail_id, "seconds": seconds})
            try:
                mails.append(_mail(row))
            except (ValueError, TypeError, LookupError) as error:
                _log.error("mail unreadable", mail_id=str(mail_id), error=type(error).__name__)
                await self.put_off(tx, mail_id, "UNREADABLE", most)
        return mails

    async def hold(self, tx: Transaction, mail_id: MailId) -> bool:
        """Whether the mail is still to be sent; if so it stays that until *tx* ends."""
        return await tx.find(_HOLD, {"mail_id": mail_id}) is not None

    async def withdraw(self, tx: Transaction, user_id: UserId, kind: MailKind) -> None:
        """End the user's mails of that kind that were not sent yet."""
        await tx.execute(_WITHDRAW, {"user_id": user_id, "kind": kind})

    async def end(self, tx: Transaction, mail_id: MailId, outcome: str) -> None:
        """Nothing more is to be done with it, unless that was so before. *outcome* is a word of at most 64 ASCII characters."""
        await tx.execute(_END, {"mail_id": mail_id, "outcome": outcome})

    async def put_off(self, tx: Transaction, mail_id: MailId, outcome: str, most: int) -> None:
        """Have it tried again, after 30 s, then 1, 2, 4 … 60 min; after *most* attempts not any more.

        One that has ended stays as it is.
        """
        await tx.execute(_PUT_OFF, {"mail_id": mail_id, "outcome": outcome, "most": most})

    async def count_sent(self, tx: Transaction, email: Email, kind: MailKind, since: datetime) -> int:
        """How many mails of that kind, asked for after *since*, that mailbox got."""
        params = {"email_key": email.key, "kind": kind, "since": since}
        return int((await tx.one(_COUNT_SENT, params))[0])

    async def forget(self, tx: Transaction, before: datetime, limit: int = 1_000) -> int:
        """Remove at most *limit* mails that ended before *before*, and tell how many."""
        return await tx.execute(_FORGET, {"before": before, "limit": limit})

    async def forget_of_nobody(self, tx: Transaction, email: Email) -> None:
        """Remove the mails for whoever has that address; those of users go with their users."""
        await tx.execute(_FORGET_OF_NOBODY, {"email_key": email.key})


def _mail(row: tuple[Any, ...]) -> Mail:
    mail_id, kind, user_id, email, create_time, trace = row
    owner = None if user_id is None else UserId(uuid_of(user_id))
    return Mail(MailId(uuid_of(mail_id)), MailKind(kind), Email(email), owner, create_time, trace or "")
