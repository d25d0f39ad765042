"""Repeats of creating calls: a call that names a request id is done once, and its answer is given again for a day.

The answer is stored in the transaction of the change, so that there is never one without the other. The table is
`repeats.sql`. A door makes a `Repeatable` of the call, a use case has `Once` as a guest in its transaction:

    call = Repeatable("CreateGroup", caller, message, render, clock)
    return await call.answer(self._groups.create(caller, form, call.once), pb.CreateGroupResponse)

    async with self._database.transaction() as tx:
        await once.begin(tx)
        ...
        await once.finish(tx, group)
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, Self, TypeVar

from firewalker.kernel.clock import Clock
from firewalker.kernel.faults import Contention, Fault, InvalidRequest, Kind, Violation
from firewalker.kernel.ids import UserId, parse_uuid
from firewalker.runtime.mysql import Transaction

KEPT = timedelta(hours=24)
"""How long an answer is given again (contract)."""

_WAIT = timedelta(seconds=1)

_TAKE = """
    INSERT INTO answered_call (user_id, method, request_id, request_hash, answer, create_time)
    VALUES (%(user_id)s, %(method)s, %(request_id)s, %(request_hash)s, NULL, %(at)s)
    ON DUPLICATE KEY UPDATE user_id = VALUES(user_id)
"""  # primary key; the row is locked either way, so a rival waits for the commit
_FIND = """
    SELECT request_hash, answer, create_time FROM answered_call
    WHERE user_id = %(user_id)s AND method = %(method)s AND request_id = %(request_id)s
"""  # primary key
_KEEP = """
    UPDATE answered_call SET request_hash = %(request_hash)s, answer = %(answer)s, create_time = %(at)s
    WHERE user_id = %(user_id)s AND method = %(method)s AND request_id = %(request_id)s
"""  # primary key
_FORGET = "DELETE FROM answered_call WHERE create_time < %s ORDER BY create_time LIMIT 1000"  # answered_call_time

V = TypeVar("V")
V_contra = TypeVar("V_contra", contravariant=True)


class RequestIdReused(Fault):
    """The request id was used for another request within the last 24 hours."""

    kind = Kind.INVALID
    reason = "REQUEST_ID_REUSED"
    message = "The request id was already used for another request."


class RequestInFlight(Fault):
    """A call with this request id is under way and did not end while this one waited."""

    kind = Kind.CONFLICT
    reason = "REQUEST_IN_FLIGHT"
    message = "A call with this request id is under way; try again."


class Message(Protocol):
    """A request or answer that can be written and read."""

    def __bytes__(self) -> bytes: ...

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read what was written."""


class Request(Protocol):
    """A request that can name itself."""

    request_id: str

    def __bytes__(self) -> bytes: ...


M = TypeVar("M", bound=Message)


class Repeated(Exception):
    """The call was answered before, with *answer*. Leaves the transaction, which has done nothing."""

    def __init__(self, answer: bytes) -> None:
        super().__init__("answered before")
        self.answer = answer


class Once(Protocol[V_contra]):
    """What a use case does in its transaction, so that a repeat finds the answer."""

    async def begin(self, tx: Transaction) -> None:
        """Go on only if the call was not answered before. First thing in the transaction.

        Raises:
            Repeated: It was; let it travel.
            RequestIdReused: The id belongs to another request.
            RequestInFlight: The same call is under way, longer than a lock is waited for.
        """

    async def finish(self, tx: Transaction, value: V_contra) -> None:
        """Keep the answer that *value* makes. Last thing in the transaction."""


class Unnamed:
    """A call without a request id: every time is the first."""

    async def begin(self, tx: Transaction) -> None:
        """Go on."""

    async def finish(self, tx: Transaction, value: object) -> None:
        """Keep nothing."""


UNNAMED = Unnamed()


@dataclass(frozen=True, slots=True)
class _Named(Generic[V]):
    """A call under a request id."""

    key: dict[str, Any]
    render: Callable[[V], Message]
    clock: Clock

    async def begin(self, tx: Transaction) -> None:
        """See `Once`."""
        at = self.clock.now()
        try:
            if await tx.execute(_TAKE, {**self.key, "at": at}):
                return
        except Contention:
            raise RequestInFlight(retry_after=_WAIT) from None
        request_hash, answer, answered = await tx.one(_FIND, self.key)
        if at - answered >= KEPT:
            return
        if bytes(request_hash) != self.key["request_hash"]:
            raise RequestIdReused
        raise Repeated(bytes(answer))

    async def finish(self, tx: Transaction, value: V) -> None:
        """See `Once`."""
        await tx.execute(_KEEP, {**self.key, "answer": bytes(self.render(value)), "at": self.clock.now()})


class Repeatable(Generic[V, M]):
    """A creating call as its door sees it: *render* makes the answer of what the use case gives."""

    def __init__(self, method: str, caller: UserId, message: Request, render: Callable[[V], M], clock: Clock) -> None:
        """*message* is the whole request; its field `request_id` is empty for none.

        Raises:
            InvalidRequest: The request id is not a UUID.
        """
        self._render = render
        self.once: Once[V] = UNNAMED
        if not message.request_id:
            return
        parsed = parse_uuid(message.request_id)
        if parsed is None:
            raise InvalidRequest(violations=[Violation("request_id", "must be a UUID of 36 characters")])
        message.request_id = str(parsed)  # which may be spelled in capitals, and is the same then
        digest = hashlib.sha256(bytes(message)).digest()
        key = {"user_id": caller, "method": method, "request_id": parsed, "request_hash": digest}
        self.once = _Named(key, render, clock)

    async def answer(self, work: Awaitable[V], kind: type[M]) -> M:
        """The answer to give: of *work*, which was handed `once`, or the one that was given before, of that *kind*."""
        try:
            return self._render(await work)
        except Repeated as repeated:
            return kind.parse(repeated.answer)


async def forget_answers(tx: Transaction, now: datetime) -> int:
    """Remove some answers that are given again no more, and tell how many: 0 when none is left."""
    return await tx.execute(_FORGET, (now - KEPT,))
