"""Writing facts down in the transaction of the change that they tell of. Delivering them is the relay's work."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

from firewalker.kernel.ids import EventId
from firewalker.runtime import tracing
from firewalker.runtime.mysql import Transaction
from firewalker.runtime.outbox.shares import ALL, share_of

_APPEND = "INSERT INTO outbox (destination, event_id, kind, payload, create_time, about_id, share) VALUES"

_TRACEPARENT: Final = b"\xe2\x01"
"""The tag of ``Event.traceparent``: field 28, with a length. What is put behind a serialised message is part of it."""


class OutboxEvent(NamedTuple):
    """A fact as it is stored and sent."""

    event_id: EventId
    kind: str
    """Its name, such as ``FriendshipAccepted``, for people and metrics: ASCII, at most 64 characters."""
    payload: bytes
    """The serialised ``firewalker.event.v1.Event``."""
    create_time: datetime
    about: UUID
    """Whom or what it is about, such as a user, a group, of two users the lower id: facts about the same stay in order."""


class Outbox:
    """The outbox of a service, for facts that go to *destinations*: the names of other services."""

    def __init__(self, *destinations: str) -> None:
        if not destinations:
            raise ValueError("an outbox without destinations would lose every fact")
        self._destinations = destinations
        self._wakers: list[Callable[[Collection[int]], None]] = []

    async def append(
        self,
        tx: Transaction,
        events: Sequence[OutboxEvent],
        *,
        to: Collection[str] | None = None,
    ) -> None:
        """Add *events*, in this order, in the caller's transaction, for the destinations *to*; for every one if None.

        After its commit the relay of this process is woken by itself. Facts about the same thing arrive in the order of
        their transactions if these lock that thing before they append.
        """
        if not events:
            return
        destinations = self._destinations if to is None else tuple(to)
        if not set(destinations) <= set(self._destinations):
            raise ValueError("no relay delivers there: the events would wait for ever")
        events = _traced(events)
        shares = [share_of(event.about.bytes) for event in events]
        rows = [
            (destination, *event, share)
            for destination in destinations
            for event, share in zip(events, shares, strict=True)
        ]
        await tx.execute_rows(_APPEND, "(%s,%s,%s,%s,%s,%s,%s)", rows)
        tx.after_commit(partial(self.wake, set(shares)))

    def wake(self, shares: Collection[int] = ALL) -> None:
        """Have the relays of this process look now. Needed only after changes made by other means than `append`."""
        for waken in self._wakers:
            waken(shares)

    def on_wake(self, waken: Callable[[Collection[int]], None]) -> None:
        """Have *waken* called by `wake`, with the shares in which there is something new; it must return at once."""
        self._wakers.append(waken)


def _traced(events: Sequence[OutboxEvent]) -> Sequence[OutboxEvent]:
    """*events*, each told of which trace it is part, if there is one."""
    told = tracing.onward().encode()
    if not told:
        return events
    tail = _TRACEPARENT + bytes([len(told)]) + told
    return [event._replace(payload=event.payload + tail) for event in events]
