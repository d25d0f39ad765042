"""Rows of `mail_token`: what the token in a mail is good for."""

from datetime import datetime

from firewalker.kernel.ids import MailId, UserId
from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.email import Email
from firewalker.user.domain.mail import MailKind, MailToken
from firewalker.user.store.columns import uuid_of

_ADD = """
    INSERT INTO mail_token (token_id, user_id, kind, email, expire_time)
    VALUES (%(token_id)s, %(user_id)s, %(kind)s, %(email)s, %(expire_time)s)
    ON DUPLICATE KEY UPDATE expire_time = VALUES(expire_time)
"""

_FIND = "SELECT token_id, user_id, kind, email, expire_time, use_time FROM mail_token WHERE token_id = %(token_id)s"
# primary key

_LOCK = f"{_FIND} FOR UPDATE"

_USE = "UPDATE mail_token SET use_time = %(at)s WHERE token_id = %(token_id)s"
# primary key

_FORGET_OTHERS = "DELETE FROM mail_token WHERE user_id = %(user_id)s AND token_id <> %(token_id)s"
# mail_token_of_user

_WITHDRAW = "DELETE FROM mail_token WHERE user_id = %(user_id)s AND kind <> %(spared)s"
# mail_token_of_user

_FORGET = "DELETE FROM mail_token WHERE expire_time < %(before)s ORDER BY expire_time LIMIT %(limit)s"
# mail_token_expired


class MailTokens:
    """The tokens of this database."""

    async def add(self, tx: Transaction, token: MailToken) -> None:
        """Add a token; sending a mail again only lets its token live longer."""
        await tx.execute(
            _ADD,
            {
                "token_id": token.token_id,
                "user_id": token.user_id,
                "kind": token.kind,
                "email": token.email.text,
                "expire_time": token.expire_time,
            },
        )

    async def find(self, tx: Transaction, token_id: MailId, *, lock: bool = False) -> MailToken | None:
        """The token with this id. Lock its user's account before you *lock* it."""
        row = await tx.find(_LOCK if lock else _FIND, {"token_id": token_id})
        if row is None:
            return None
        found, user_id, kind, email, expire_time, use_time = row
        owner = UserId(uuid_of(user_id))
        return MailToken(MailId(uuid_of(found)), owner, MailKind(kind), Email(email), expire_time, use_time)

    async def use(self, tx: Transaction, token: MailToken, at: datetime) -> None:
        """Note that a locked token was used. The user's other ones are worth nothing from then on."""
        await tx.execute(_USE, {"token_id": token.token_id, "at": at})
        await tx.execute(_FORGET_OTHERS, {"user_id": token.user_id, "token_id": token.token_id})

    async def withdraw(self, tx: Transaction, user_id: UserId, *, spare: MailKind) -> None:
        """Make all of the user's tokens worth nothing, but for those of one kind."""
        await tx.execute(_WITHDRAW, {"user_id": user_id, "spared": spare})

    async def forget(self, tx: Transaction, before: datetime, limit: int = 1_000) -> int:
        """Remove at most *limit* tokens that expired before *before*, and tell how many."""
        return await tx.execute(_FORGET, {"before": before, "limit": limit})
