"""Rows of `invite`: codes by which users can be found."""

from datetime import datetime

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.invite import Invite
from firewalker.user.store.columns import uuid_of

_ADD = "INSERT INTO invite (code, user_id, expire_time) VALUES (%(code)s, %(user)s, %(expire_time)s)"
_FIND = "SELECT code, user_id, expire_time FROM invite WHERE code = %(code)s AND expire_time > %(at)s"  # primary key
_DELETE = "DELETE FROM invite WHERE code = %(code)s AND user_id = %(user)s"  # primary key
_FORGET = "DELETE FROM invite WHERE user_id = %(user)s AND expire_time <= %(at)s"  # invite_of_user
_COUNT = "SELECT COUNT(*) FROM invite WHERE user_id = %(user)s"  # invite_of_user


class Invites:
    """The invites of this database."""

    async def add(self, tx: Transaction, invite: Invite) -> None:
        """Add a new one."""
        await tx.execute(_ADD, {"code": invite.code, "user": invite.user_id, "expire_time": invite.expire_time})

    async def find(self, tx: Transaction, code: str, at: datetime) -> Invite | None:
        """The invite with this code, if it is good at *at*."""
        row = await tx.find(_FIND, {"code": code, "at": at})
        return None if row is None else Invite(row[0], UserId(uuid_of(row[1])), row[2])

    async def delete(self, tx: Transaction, user: UserId, code: str) -> None:
        """Remove *user*'s invite with this code, if there is one."""
        await tx.execute(_DELETE, {"code": code, "user": user})

    async def count_good(self, tx: Transaction, user: UserId, at: datetime) -> int:
        """How many invites of *user*, whose counters are locked, are good at *at*; the others are removed."""
        await tx.execute(_FORGET, {"user": user, "at": at})
        return int((await tx.one(_COUNT, {"user": user}))[0])
