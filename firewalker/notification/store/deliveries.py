"""Statements on the delivery queue. Leases go by the database's clock, so that no process's own clock ends one early."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import structlog

from firewalker.kernel.ids import NotificationId, UserId
from firewalker.notification.domain.delivery import QUIET_HOURS, UNCHECKED, Content, Delivery
from firewalker.notification.domain.device import Platform
from firewalker.notification.domain.notification import Lane, Type
from firewalker.runtime.mysql import Transaction

_ADD_HEAD = """
    INSERT INTO delivery (delivery_id, user_id, notification_id, installation_id, platform, type, lane, actor_id, params,
                          fold_key, content, check_time, due_time, expire_time, create_time, traceparent) VALUES
"""
_ADD_ROW = "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"

_COLUMNS = """
    delivery_id, user_id, notification_id, installation_id, platform, type, lane, actor_id, params, fold_key, content,
    create_time, due_time, expire_time, check_time, attempts, claims, last_error, traceparent
"""

# The next ones of a lane, the one that is due first at the head, past those that others hold. Index delivery_due.
_CLAIM = f"""
    SELECT {_COLUMNS} FROM delivery FORCE INDEX (delivery_due)
    WHERE state = 'QUEUED' AND lane = %(lane)s AND due_time <= %(now)s {{without}}
        AND (lease_until IS NULL OR lease_until < UTC_TIMESTAMP(3))
    ORDER BY due_time LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""

# Primary key, like all of these; each only while the lease is still the owner's.
_LEASE = """
    UPDATE delivery SET lease_owner = %s, lease_until = UTC_TIMESTAMP(3) + INTERVAL %s SECOND, claims = claims + 1
    WHERE delivery_id IN ({places})
"""
_DELETE = "DELETE FROM delivery WHERE lease_owner = %s AND delivery_id IN ({places})"
_RETRY = """
    UPDATE delivery
    SET due_time = %(due)s, attempts = attempts + %(counted)s, claims = attempts, last_error = %(error)s,
        lease_owner = NULL, lease_until = NULL
    WHERE lease_owner = %(owner)s AND delivery_id = %(id)s
"""
_BURY = """
    UPDATE delivery
    SET state = 'DEAD', attempts = attempts + %(counted)s, last_error = %(error)s, lease_owner = NULL, lease_until = NULL
    WHERE lease_owner = %(owner)s AND delivery_id = %(id)s
"""
_RELEASE = """
    UPDATE delivery SET lease_owner = NULL, lease_until = NULL, claims = attempts
    WHERE lease_owner = %s AND delivery_id IN ({places})
"""

_HOLD = "SELECT delivery_id, content FROM delivery WHERE lease_owner = %s AND delivery_id IN ({places}) FOR UPDATE"
_NOTE_CHECK = "UPDATE delivery SET check_time = %s WHERE lease_owner = %s AND delivery_id IN ({places})"

# What follows new wishes of a user. Index delivery_user; then the primary key, in the order of which all lock several.
_LIST_QUEUED = "SELECT delivery_id FROM delivery WHERE user_id = %s AND state = 'QUEUED'"
_REVIEW = """
    UPDATE delivery SET check_time = %s, due_time = IF(last_error = %s, LEAST(due_time, %s), due_time)
    WHERE delivery_id IN ({places}) AND state = 'QUEUED'
"""
_LIST_OF_USER = f"SELECT {_COLUMNS} FROM delivery WHERE user_id = %s FOR UPDATE"
_SAVE_CONTENT = "UPDATE delivery SET content = %s WHERE delivery_id = %s"

# An older state must not follow a newer one (DLV-13). Index delivery_user.
_SUPERSEDE = "DELETE FROM delivery WHERE user_id = %s AND fold_key = %s AND state = 'QUEUED'"
_LIST_TELLING = """
    SELECT delivery_id, user_id, notification_id, actor_id, params, state FROM delivery WHERE user_id IN ({places}) {only}
"""
_DELETE_SOME = "DELETE FROM delivery WHERE delivery_id IN ({places})"  # primary key
_DELETE_OF_USER = "DELETE FROM delivery WHERE user_id = %s"
_DELETE_OF_DEVICE = "DELETE FROM delivery WHERE installation_id = %s AND user_id = %s AND state = 'QUEUED'"

# Indexes delivery_dead and delivery_due.
_DELETE_DEAD = "DELETE FROM delivery WHERE state = 'DEAD' AND create_time < %s ORDER BY create_time LIMIT %s"
_REPLAY = """
    UPDATE delivery
    SET state = 'QUEUED', due_time = %(now)s, expire_time = GREATEST(expire_time, %(until)s), attempts = 0, claims = 0,
        check_time = %(unchecked)s
    WHERE state = 'DEAD'
"""
_BACKLOG = """
    SELECT lane, COUNT(*), MIN(due_time) FROM delivery WHERE state = 'QUEUED' AND due_time <= %s GROUP BY lane
"""
_COUNT_DEAD = """
    SELECT type, last_error, COUNT(*) FROM delivery WHERE state = 'DEAD'
    GROUP BY type, last_error ORDER BY COUNT(*) DESC LIMIT 50
"""

_FOLDED = "folded"
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError)

_log = structlog.get_logger(__name__)


Told = Mapping[UserId, Collection[NotificationId]]


class Taken(NamedTuple):
    """What messages told of that were taken back and told of something else too, by user."""

    ended: Told
    """What they were taken back for."""
    rest: Told
    """The others."""


@dataclass(frozen=True, slots=True)
class DeadCount:
    """How many deliveries of a type were given up for one reason."""

    type: str
    error: str
    number: int


class Deliveries:
    """The table `delivery`."""

    async def add(self, tx: Transaction, deliveries: Sequence[Delivery]) -> None:
        """Queue *deliveries*."""
        rows = [
            (
                d.delivery_id.bytes,
                d.user_id.bytes,
                d.notification_id.bytes,
                d.installation_id,
                d.platform.value,
                d.type.value,
                d.lane.value,
                d.actor_id.bytes if d.actor_id else None,
                _params(d),
                d.fold_key,
                _content(d.content),
                d.check_time,
                d.due_time,
                d.expire_time,
                d.create_time,
                d.traceparent or None,
            )
            for d in sorted(deliveries, key=lambda d: d.delivery_id)
        ]
        await tx.execute_rows(_ADD_HEAD, _ADD_ROW, rows)

    async def claim(
        self,
        tx: Transaction,
        lane: Lane,
        owner: UUID,
        *,
        now: datetime,
        lease_s: int,
        limit: int,
        parked: Collection[Platform] = (),
    ) -> list[Delivery]:
        """Lease at most *limit* due ones of *lane* to *owner*, none for the *parked* platforms.

        What cannot be read is given up, so that it does not hold up the others for ever.
        """
        params: dict[str, object] = {"lane": lane.value, "now": now, "limit": limit}
        params |= {f"parked{number}": platform.value for number, platform in enumerate(parked)}
        without = "".join(f" AND platform <> %(parked{number})s" for number in range(len(parked)))
        rows = await tx.all(_CLAIM.format(without=without), params)
        if rows:
            ids = [row[0] for row in rows]
            await tx.execute(_LEASE.format(places=_places(ids)), [owner.bytes, lease_s, *ids])
        claimed, unreadable = _read(rows)
        for delivery in unreadable:
            await tx.execute(_BURY, {"error": "unreadable", "counted": 0, "owner": owner.bytes, "id": delivery})
        return claimed

    async def hold(self, tx: Transaction, owner: UUID, ids: Collection[UUID]) -> dict[UUID, Content]:
        """Lock the rows, and tell which of them *owner* still has, and what they say by now."""
        ordered = sorted(i.bytes for i in ids)
        rows = await tx.all(_HOLD.format(places=_places(ordered)), [owner.bytes, *ordered]) if ordered else ()
        return {UUID(bytes=found): Content(**json.loads(content)) for found, content in rows}

    async def note_check(self, tx: Transaction, owner: UUID, ids: Collection[UUID], at: datetime) -> None:
        """These were found to be still to be sent, at *at*."""
        if ids:
            ordered = sorted(i.bytes for i in ids)
            await tx.execute(_NOTE_CHECK.format(places=_places(ordered)), [at, owner.bytes, *ordered])

    async def delete(self, tx: Transaction, owner: UUID, ids: Collection[UUID]) -> int:
        """These are done, as far as *owner* still has them; how many it had."""
        if not ids:
            return 0
        ordered = sorted(i.bytes for i in ids)
        return await tx.execute(_DELETE.format(places=_places(ordered)), [owner.bytes, *ordered])

    async def put_off(
        self, tx: Transaction, owner: UUID, delivery: Delivery, due: datetime, error: str, *, counted: bool
    ) -> bool:
        """Try again at *due*; *counted* if FCM was asked. Whether *owner* still had it."""
        values = {"due": due, "error": error, "counted": int(counted), "owner": owner.bytes}
        values["id"] = delivery.delivery_id.bytes
        return bool(await tx.execute(_RETRY, values))

    async def bury(self, tx: Transaction, owner: UUID, delivery: Delivery, error: str, *, counted: bool) -> bool:
        """Give it up, for people to look at. Whether *owner* still had it."""
        values = {"error": error, "counted": int(counted), "owner": owner.bytes, "id": delivery.delivery_id.bytes}
        return bool(await tx.execute(_BURY, values))

    async def release(self, tx: Transaction, owner: UUID, ids: Collection[UUID]) -> None:
        """Nothing was tried: anybody may take these at once."""
        if ids:
            ordered = sorted(i.bytes for i in ids)
            await tx.execute(_RELEASE.format(places=_places(ordered)), [owner.bytes, *ordered])

    async def review(self, tx: Transaction, user: UserId, now: datetime) -> None:
        """Check what is queued for *user*, whose row is locked, again before it is sent; what waits for quiet hours to end, now."""
        ordered = sorted(delivery for (delivery,) in await tx.all(_LIST_QUEUED, (user.bytes,)))
        if ordered:
            await tx.execute(_REVIEW.format(places=_places(ordered)), [UNCHECKED, QUIET_HOURS, now, *ordered])

    async def list_of(self, tx: Transaction, user: UserId) -> list[Delivery]:
        """All that can be read of what is for *user*, locked until *tx* ends; dead ones too, as they may be queued again."""
        deliveries, _ = _read(await tx.all(_LIST_OF_USER, (user.bytes,)))
        return deliveries

    async def save_content(self, tx: Transaction, delivery_id: UUID, content: Content) -> None:
        """It says *content* from now on."""
        await tx.execute(_SAVE_CONTENT, (_content(content), delivery_id.bytes))

    async def supersede(self, tx: Transaction, user: UserId, fold_key: str) -> None:
        """Take back what is queued for *user* under the key: something newer takes its place."""
        await tx.execute(_SUPERSEDE, (user.bytes, fold_key))

    async def take_back(
        self,
        tx: Transaction,
        users: Collection[UserId],
        actor: UserId,
        about: Collection[NotificationId],
        *,
        kind: Type | None = None,
        fold_key: str | None = None,
    ) -> Taken:
        """Take back what tells *users* (at least one) of *actor*, which is what leads with them or has a notification *about* them in it.

        Of one type, under one fold key, or all. What it told of beside that is to be planned again.
        """
        ids: list[object] = [*sorted(user.bytes for user in users)]
        only = {"type": kind.value if kind else None, "fold_key": fold_key}
        given = {column: value for column, value in only.items() if value is not None}
        told = _LIST_TELLING.format(places=_places(ids), only=" ".join(f"AND {column} = %s" for column in given))
        ended: dict[UserId, set[NotificationId]] = {}
        rest: dict[UserId, set[NotificationId]] = {}
        gone: list[bytes] = []
        for delivery, user, notification, of, params, state in await tx.all(told, [*ids, *given.values()]):
            try:
                folded = _folded(json.loads(params))
            except _UNREADABLE:
                folded = []  # it is given up as soon as it is claimed
            lead = NotificationId(UUID(bytes=notification))
            ends = {one for one in (lead, *folded) if one in about or (one == lead and of == actor.bytes)}
            if ends:
                gone.append(delivery)
                others = {lead, *folded} - ends
                if others and state == "QUEUED":
                    rest.setdefault(UserId(UUID(bytes=user)), set()).update(others)
                    ended.setdefault(UserId(UUID(bytes=user)), set()).update(ends)
        if gone:
            await tx.execute(_DELETE_SOME.format(places=_places(gone)), sorted(gone))
        return Taken(ended, rest)

    async def delete_all(self, tx: Transaction, user: UserId) -> None:
        """Take back all that is for *user*."""
        await tx.execute(_DELETE_OF_USER, (user.bytes,))

    async def delete_of_device(self, tx: Transaction, installation: str, user: UserId) -> None:
        """Take back what is queued for an installation of *user*."""
        await tx.execute(_DELETE_OF_DEVICE, (installation, user.bytes))

    async def delete_dead(self, tx: Transaction, before: datetime, limit: int) -> int:
        """Remove at most *limit* dead ones from before that time, and tell how many."""
        return await tx.execute(_DELETE_DEAD, (before, limit))

    async def count_dead(self, tx: Transaction) -> list[DeadCount]:
        """The dead ones by type and reason."""
        return [DeadCount(kind, error, int(number)) for kind, error, number in await tx.all(_COUNT_DEAD)]

    async def replay(self, tx: Transaction, now: datetime, until: datetime) -> int:
        """Queue all dead ones again, each good until *until* at least, and tell how many."""
        return await tx.execute(_REPLAY, {"now": now, "until": until, "unchecked": UNCHECKED})

    async def backlog(self, tx: Transaction, now: datetime) -> dict[Lane, tuple[int, datetime]]:
        """How many are due by lane, and since when the first of them."""
        return {Lane(lane): (int(number), oldest) for lane, number, oldest in await tx.all(_BACKLOG, (now,))}


def _places(values: Collection[object]) -> str:
    return ",".join(["%s"] * len(values))


def _params(delivery: Delivery) -> str:
    """With what it tells of beside its own notification, which releases that do not know of that pass over."""
    params: dict[str, object] = dict(delivery.params)
    if delivery.folded:
        params[_FOLDED] = [str(told) for told in delivery.folded]
    return json.dumps(params, ensure_ascii=False)


def _folded(params: dict[str, Any]) -> list[NotificationId]:
    """Takes out of *params* what `_params` has put in."""
    return [NotificationId(UUID(told)) for told in params.pop(_FOLDED, ())]


def _content(content: Content) -> str:
    return json.dumps(asdict(content), ensure_ascii=False)


def _read(rows: Sequence[tuple[Any, ...]]) -> tuple[list[Delivery], list[bytes]]:
    """The deliveries in *rows*, and the ids of those that cannot be read."""
    deliveries, unreadable = [], []
    for row in rows:
        try:
            deliveries.append(_delivery(row))
        except _UNREADABLE as error:
            _log.error("delivery_unreadable", delivery_id=row[0].hex(), error=type(error).__name__)
            unreadable.append(row[0])
    return deliveries, unreadable


def _delivery(row: tuple[Any, ...]) -> Delivery:
    (delivery, user, notification, installation, platform, kind, lane, actor, params, fold, content, created, due,
     expires, checked, attempts, claims, error, trace) = row  # fmt: skip
    facts = json.loads(params)
    folded = _folded(facts)
    return Delivery(
        delivery_id=UUID(bytes=delivery),
        user_id=UserId(UUID(bytes=user)),
        notification_id=NotificationId(UUID(bytes=notification)),
        installation_id=installation,
        platform=Platform(platform),
        type=Type(kind),
        lane=Lane(lane),
        actor_id=UserId(UUID(bytes=actor)) if actor else None,
        params=facts,
        fold_key=fold,
        content=Content(**json.loads(content)),
        create_time=created,
        due_time=due,
        expire_time=expires,
        check_time=checked,
        attempts=int(attempts),
        claims=int(claims) + 1,
        last_error=error,
        traceparent=trace or "",
        folded=folded,
    )
