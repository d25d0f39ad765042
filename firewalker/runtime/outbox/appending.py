"""Writing facts down in the transaction of the change that they tell of. Delivering them is the relay's work."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from firewalker.kernel.ids import EventId
from firewalker.runtime import tracing
from firewalker.runtime.mysql import Transaction

_APPEND = "INSERT INTO outbox (destination, event_id, kind, payload, create_time) VALUES"

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


class Outbox:
    """The outbox of a service, for facts that go to *destinations*: the names of other services."""

    def __init__(self, *destinations: str) -> None:
        if not destinations:
            raise ValueError("an outbox without destinations would lose every fact")
        self._destinations = destinations
        self._wakers: list[Callable[[], None]] = []

    async def append(
        self,
        tx: Transaction,
        events: Sequence[OutboxEvent | tuple[EventId, str, bytes, datetime]],
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
        rows = [(destination, *event) for destination in destinations for event in events]
        await tx.execute_rows(_APPEND, "(%s,%s,%s,%s,%s)", rows)
        tx.after_commit(self.wake)

    def wake(self) -> None:
        """Have the relays of this process look now. Needed only after changes made by other means than `append`."""
        for waken in self._wakers:
            waken()

    def on_wake(self, waken: Callable[[], None]) -> None:
        """Have *waken* called by `wake`; it must return at once."""
        self._wakers.append(waken)


def _traced(
    events: Sequence[OutboxEvent | tuple[EventId, str, bytes, datetime]],
) -> Sequence[OutboxEvent | tuple[EventId, str, bytes, datetime]]:
    """*events*, each told of which trace it is part, if there is one."""
    told = tracing.onward().encode()
    if not told:
        return events
    tail = _TRACEPARENT + bytes([len(told)]) + told
    return [OutboxEvent(event_id, kind, payload + tail, at) for event_id, kind, payload, at in events]
