"""How many friends, requests, blocks, invites and cheers a user can have. Counting them is the store's work."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from firewalker.kernel.faults import Fault
from firewalker.user.domain.faults import (
    DailyCheerLimitReached,
    DailyReportLimitReached,
    DailyRequestLimitReached,
    FriendLimitReached,
    IncomingRequestLimitReached,
    OutgoingRequestLimitReached,
)

MAX_FRIENDS = 500
"""Most friends of a user (contract)."""

MAX_OUTGOING_REQUESTS = 100
"""Most requests of a user that wait for an answer (contract)."""

MAX_INCOMING_REQUESTS = 500
"""Most requests that wait for one user's answer (contract)."""

MAX_BLOCKS = 1_000
"""Most blocks of a user: more than anybody has met; without a bound they would be a way to fill the database."""

A_DAY = timedelta(hours=24)
"""The span of the daily limits. It slides: no moment of the day gives twice as many."""


class _MakesFault(Protocol):
    def __call__(self, *, retry_after: timedelta) -> Fault: ...


@dataclass(frozen=True, slots=True)
class Quota:
    """Something that a user can do *most* times in any 24 hours. *code* tells its rows apart in the store."""

    code: int
    most: int
    fault: _MakesFault

    def ensure_left(self, used: Sequence[datetime], at: datetime) -> None:
        """Refuse one more at *at* after those *used* in the 24 hours before, oldest first; `retry_after` tells how long."""
        if len(used) >= self.most:
            raise self.fault(retry_after=used[-self.most] + A_DAY - at)


REQUESTS = Quota(1, 30, DailyRequestLimitReached)
"""Friend requests (contract)."""

CHEERS = Quota(2, 20, DailyCheerLimitReached)
"""Cheers (contract)."""

REPORTS = Quota(3, 20, DailyReportLimitReached)
"""Reports of users: whoever means it needs fewer."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much of each limit one user uses."""

    friends: int = 0
    outgoing: int = 0
    incoming: int = 0

    def moved(self, before: "Counts", after: "Counts") -> "Counts":
        """These counts, once what a pair takes of them has become *after* instead of *before*. Less is always possible.

        Raises:
            FriendLimitReached: It would be one friend over 500.
            OutgoingRequestLimitReached: It would be one open request of this user over 100.
            IncomingRequestLimitReached: It would be one open request to this user over 500.
        """
        if after.friends > before.friends and self.friends >= MAX_FRIENDS:
            raise FriendLimitReached
        if after.outgoing > before.outgoing and self.outgoing >= MAX_OUTGOING_REQUESTS:
            raise OutgoingRequestLimitReached
        if after.incoming > before.incoming:
            self.ensure_room_for_request()
        return Counts(
            self.friends - before.friends + after.friends,
            self.outgoing - before.outgoing + after.outgoing,
            self.incoming - before.incoming + after.incoming,
        )

    def ensure_room_for_request(self) -> None:
        """Refuse one more request to this user. Asked of requests that nobody sees too, or their asker could tell.

        Raises:
            IncomingRequestLimitReached: 500 wait already.
        """
        if self.incoming >= MAX_INCOMING_REQUESTS:
            raise IncomingRequestLimitReached
