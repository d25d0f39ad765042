"""Statements on what is to be pushed. Leases go by the database's clock, so that no process's own clock ends one early."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from firewalker.kernel.ids import NotificationId, UserId
from firewalker.notification.domain.notification import Lane, Type
from firewalker.notification.domain.push import History, Push
from firewalker.runtime.mysql import Transaction

_ADD_HEAD = """
    INSERT INTO push (user_id, notification_id, type, lane, actor_id, params, fold_key, dedupe_key, create_time, due_time,
                      expire_time, traceparent) VALUES
"""
_ADD_ROW = "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
# One that is there, by its id or its dedupe key, stays as it is.
_ADD_TAIL = "ON DUPLICATE KEY UPDATE user_id = VALUES(user_id)"

_COLUMNS = """
    user_id, notification_id, type, actor_id, params, fold_key, dedupe_key, create_time, due_time, expire_time, asked,
    traceparent
"""

# The next ones of a lane, the one that is due first at the head, past those that others hold. Index push_due.
_CLAIM = f"""
    SELECT {_COLUMNS} FROM push FORCE INDEX (push_due)
    WHERE state = 'WAITING' AND lane = %(lane)s AND due_time <= %(now)s
        AND (lease_until IS NULL OR lease_until < UTC_TIMESTAMP(3))
    ORDER BY due_time LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""

# Primary key, like all of these.
_LEASE = """
    UPDATE push SET lease_owner = %s, lease_until = UTC_TIMESTAMP(3) + INTERVAL %s SECOND
    WHERE (user_id, notification_id) IN ({places})
"""
_LOCK = """
    SELECT notification_id FROM push
    WHERE user_id = %s AND notification_id IN ({places}) AND state = 'WAITING' FOR UPDATE
"""
_HOLD = """
    SELECT notification_id FROM push
    WHERE user_id = %s AND notification_id = %s AND state = 'WAITING' AND lease_owner = %s FOR UPDATE
"""
# What is dropped was never pushed: another with its dedupe key may be.
_END = """
    UPDATE push SET state = %s, outcome = %s, push_time = %s, lease_owner = NULL, lease_until = NULL,
      dedupe_key = IF(%s = 'DROPPED', NULL, dedupe_key)
    WHERE user_id = %s AND notification_id IN ({places})
"""
_PUT_OFF = """
    UPDATE push SET due_time = %s, asked = asked + %s, lease_owner = NULL, lease_until = NULL
    WHERE user_id = %s AND notification_id IN ({places})
"""

# What waits to be pushed with one. Index push_fold.
_MATES = f"SELECT {_COLUMNS} FROM push WHERE user_id = %s AND fold_key = %s AND state = 'WAITING' ORDER BY create_time"
_HISTORY = """
    SELECT COUNT(*), MAX(push_time) FROM push WHERE user_id = %s AND fold_key = %s AND state = 'PUSHED'
"""
# The same index: all fold keys of a type begin with it and a colon, behind which comes the semicolon.
_NTH_LAST = """
    SELECT push_time FROM push WHERE user_id = %s AND fold_key >= %s AND fold_key < %s AND state = 'PUSHED'
    ORDER BY push_time DESC LIMIT 1 OFFSET %s
"""

# What a message told of that was taken back for another's sake. Primary key.
_PLAN_AGAIN = """
    UPDATE push SET state = 'WAITING', outcome = '', due_time = %s, push_time = NULL, asked = 0
    WHERE user_id = %s AND notification_id IN ({places}) AND state IN ('PUSHED', 'FOLDED')
"""

# What such a message was taken back for: the next of its kind need not keep away from it. Primary key.
_END_UNSENT = """
    UPDATE push SET state = 'DROPPED', outcome = 'withdrawn', push_time = NULL
    WHERE user_id = %s AND notification_id IN ({places}) AND state IN ('PUSHED', 'FOLDED')
"""

# Whose messages on their way may tell of somebody. Indexes push_actor and delivery_user.
_LIST_WITH_MESSAGES = """
    SELECT DISTINCT p.user_id FROM push p JOIN delivery d ON d.user_id = p.user_id WHERE p.actor_id = %s
"""

# What follows new wishes of a user. Index push_fold.
_REVIEW = "UPDATE push SET due_time = %s WHERE user_id = %s AND state = 'WAITING' AND due_time > %s"

# Index push_fold.
_DROP_OF_KEY = """
    UPDATE push SET state = 'DROPPED', outcome = 'withdrawn', dedupe_key = NULL
    WHERE user_id IN ({places}) AND fold_key = %s AND actor_id = %s AND state = 'WAITING'
"""

# Index push_actor.
_LIST_TOLD = "SELECT DISTINCT user_id FROM push WHERE actor_id = %s AND fold_key = %s"
_LIST_ABOUT = "SELECT notification_id FROM push WHERE actor_id = %s AND user_id IN ({places})"
_DROP_OF_TYPE = """
    UPDATE push SET state = 'DROPPED', outcome = 'withdrawn', dedupe_key = NULL
    WHERE user_id = %s AND actor_id = %s AND type = %s AND state = 'WAITING'
"""
_DROP_BETWEEN = """
    UPDATE push SET state = 'DROPPED', outcome = 'withdrawn', dedupe_key = NULL
    WHERE actor_id IN (%(one)s, %(other)s) AND user_id IN (%(one)s, %(other)s) AND state = 'WAITING'
"""
_DROP_ABOUT_USER = """
    UPDATE push SET state = 'DROPPED', outcome = 'withdrawn', dedupe_key = NULL WHERE actor_id = %s AND state = 'WAITING'
"""
_DELETE_OF_USER = "DELETE FROM push WHERE user_id = %s"  # primary key

# Index push_create_time.
_DELETE_OLD = "DELETE FROM push WHERE create_time < %s AND state <> 'WAITING' ORDER BY create_time LIMIT %s"

# Index push_due.
_BACKLOG = """
    SELECT lane, COUNT(*), MIN(due_time) FROM push WHERE state = 'WAITING' AND due_time <= %s GROUP BY lane
"""

_log = structlog.get_logger(__name__)


class Pushes:
    """The table `push`."""

    async def add(self, tx: Transaction, pushes: Sequence[Push]) -> None:
        """Add *pushes*; one that was there before, under any of its keys, stays what it was."""
        rows = sorted(
            (
                (
                    push.user_id.bytes,
                    push.notification_id.bytes,
                    push.type.value,
                    push.kind.lane.value,
                    push.actor_id.bytes if push.actor_id else None,
                    json.dumps(dict(push.params), ensure_ascii=False),
                    push.fold_key,
                    push.dedupe_key,
                    push.create_time,
                    push.due_time,
                    push.expire_time,
                    push.traceparent or None,
                )
                for push in pushes
            ),
            key=lambda row: row[:2],
        )
        await tx.execute_rows(_ADD_HEAD, _ADD_ROW, rows, _ADD_TAIL)

    async def claim(
        self, tx: Transaction, lane: Lane, owner: UUID, *, now: datetime, lease_s: int, limit: int
    ) -> list[Push]:
        """Lease at most *limit* due ones of *lane* to *owner*; whoever dies with them gives them back that way.

        What cannot be read is dropped, so that it does not hold up the others for ever.
        """
        rows = await tx.all(_CLAIM, {"lane": lane.value, "now": now, "limit": limit})
        pushes, unreadable = _read(rows)
        for user, notification in unreadable:
            await tx.execute(_END.format(places="%s"), ["DROPPED", "unreadable", None, "DROPPED", user, notification])
        if pushes:
            flat = [part for push in pushes for part in (push.user_id.bytes, push.notification_id.bytes)]
            places = ",".join(["(%s, %s)"] * len(pushes))
            await tx.execute(_LEASE.format(places=places), [owner.bytes, lease_s, *flat])
        return pushes

    async def list_mates(self, tx: Transaction, push: Push) -> list[Push]:
        """What waits under the same fold key, due or not, *push* among it."""
        pushes, _ = _read(await tx.all(_MATES, (push.user_id.bytes, push.fold_key)))
        return pushes

    async def hold(self, tx: Transaction, push: Push, owner: UUID) -> bool:
        """Lock the row, and tell whether it waits and *owner* still has it."""
        found = await tx.find(_HOLD, (push.user_id.bytes, push.notification_id.bytes, owner.bytes))
        return found is not None

    async def lock_waiting(self, tx: Transaction, user: UserId, ids: Collection[NotificationId]) -> set[NotificationId]:
        """Lock those of *user*'s that still wait, and tell which."""
        if not ids:
            return set()
        ordered = sorted(i.bytes for i in ids)
        rows = await tx.all(_LOCK.format(places=_places(ordered)), [user.bytes, *ordered])
        return {NotificationId(UUID(bytes=found)) for (found,) in rows}

    async def history(self, tx: Transaction, push: Push) -> History:
        """What was pushed under the same fold key, and of the same type."""
        user, kind, most = push.user_id.bytes, push.type.value, push.kind.an_hour
        pushed, last = await tx.one(_HISTORY, (user, push.fold_key))
        full = await tx.find(_NTH_LAST, (user, f"{kind}:", f"{kind};", most - 1)) if most is not None else None
        return History(int(pushed), last, full_time=full[0] if full else None)

    async def end(
        self, tx: Transaction, user: UserId, ids: Collection[NotificationId], *, state: str, why: str, at: datetime
    ) -> None:
        """Nothing more is to be done for these: PUSHED, FOLDED into another, or DROPPED."""
        if ids:
            ordered = sorted(i.bytes for i in ids)
            params = [state, why, at if state == "PUSHED" else None, state, user.bytes, *ordered]
            await tx.execute(_END.format(places=_places(ordered)), params)

    async def put_off(
        self, tx: Transaction, user: UserId, ids: Collection[NotificationId], due: datetime, *, unsure: bool = False
    ) -> None:
        """These are to be looked at again at *due*; *unsure* counts that nobody answered."""
        if ids:
            ordered = sorted(i.bytes for i in ids)
            await tx.execute(_PUT_OFF.format(places=_places(ordered)), [due, int(unsure), user.bytes, *ordered])

    async def plan_again(
        self, tx: Transaction, rest: Mapping[UserId, Collection[NotificationId]], now: datetime
    ) -> None:
        """Look at these of the users now: the messages that told of them were taken back."""
        for user in sorted(rest):
            ordered = sorted(i.bytes for i in rest[user])
            await tx.execute(_PLAN_AGAIN.format(places=_places(ordered)), [now, user.bytes, *ordered])

    async def end_unsent(self, tx: Transaction, ended: Mapping[UserId, Collection[NotificationId]]) -> None:
        """Drop these of the users: the messages that told of them were taken back."""
        for user in sorted(ended):
            ordered = sorted(i.bytes for i in ended[user])
            await tx.execute(_END_UNSENT.format(places=_places(ordered)), [user.bytes, *ordered])

    async def list_with_messages(self, tx: Transaction, actor: UserId) -> set[UserId]:
        """Who is sent something, and is or was to be pushed something of *actor*."""
        return {UserId(UUID(bytes=user)) for (user,) in await tx.all(_LIST_WITH_MESSAGES, (actor.bytes,))}

    async def review(self, tx: Transaction, user: UserId, now: datetime) -> None:
        """Look at all of *user*'s now: they want something else than before."""
        await tx.execute(_REVIEW, (now, user.bytes, now))

    async def list_told(self, tx: Transaction, actor: UserId, fold_key: str) -> set[UserId]:
        """Whose pushes are or were of *actor*, under one fold key."""
        return {UserId(UUID(bytes=user)) for (user,) in await tx.all(_LIST_TOLD, (actor.bytes, fold_key))}

    async def list_about(self, tx: Transaction, users: Collection[UserId], actor: UserId) -> set[NotificationId]:
        """What *users* are or were to be pushed of *actor*."""
        ids = sorted(user.bytes for user in users)
        rows = await tx.all(_LIST_ABOUT.format(places=_places(ids)), [actor.bytes, *ids])
        return {NotificationId(UUID(bytes=found)) for (found,) in rows}

    async def drop_of(self, tx: Transaction, user: UserId, actor: UserId, kind: Type) -> None:
        """Drop what *user* was to be told of *actor*, of one type."""
        await tx.execute(_DROP_OF_TYPE, (user.bytes, actor.bytes, kind.value))

    async def drop_of_key(self, tx: Transaction, users: Collection[UserId], actor: UserId, fold_key: str) -> None:
        """Drop what *users* were to be told of *actor*, under one fold key."""
        ids = sorted(user.bytes for user in users)
        await tx.execute(_DROP_OF_KEY.format(places=_places(ids)), [*ids, fold_key, actor.bytes])

    async def drop_between(self, tx: Transaction, one: UserId, other: UserId) -> None:
        """Drop what either was to be told of the other."""
        await tx.execute(_DROP_BETWEEN, {"one": one.bytes, "other": other.bytes})

    async def delete_all(self, tx: Transaction, user: UserId) -> None:
        """Remove all that was for *user*, and drop what others were to be told of them."""
        await tx.execute(_DELETE_OF_USER, (user.bytes,))
        await tx.execute(_DROP_ABOUT_USER, (user.bytes,))

    async def delete_before(self, tx: Transaction, before: datetime, limit: int) -> int:
        """Remove at most *limit* that are done and from before that time, and tell how many."""
        return await tx.execute(_DELETE_OLD, (before, limit))

    async def backlog(self, tx: Transaction, now: datetime) -> dict[Lane, tuple[int, datetime]]:
        """How many are due by lane, and since when the first of them."""
        return {Lane(lane): (int(number), oldest) for lane, number, oldest in await tx.all(_BACKLOG, (now,))}


def _places(values: Collection[object]) -> str:
    return ",".join(["%s"] * len(values))


def _read(rows: Sequence[tuple[Any, ...]]) -> tuple[list[Push], list[tuple[bytes, bytes]]]:
    """The pushes in *rows*, and the keys of those that cannot be read."""
    pushes, unreadable = [], []
    for row in rows:
        try:
            pushes.append(_push(row))
        except (ValueError, TypeError, LookupError) as error:
            _log.error("push_unreadable", notification_id=row[1].hex(), error=type(error).__name__)
            unreadable.append((row[0], row[1]))
    return pushes, unreadable


def _push(row: tuple[Any, ...]) -> Push:
    user, notification_id, kind, actor, params, fold, dedupe, created, due, expires, asked, trace = row
    return Push(
        user_id=UserId(UUID(bytes=user)),
        notification_id=NotificationId(UUID(bytes=notification_id)),
        type=Type(kind),
        actor_id=UserId(UUID(bytes=actor)) if actor else None,
        params=json.loads(params),
        fold_key=fold,
        dedupe_key=dedupe,
        create_time=created,
        due_time=due,
        expire_time=expires,
        asked=int(asked),
        traceparent=trace or "",
    )
