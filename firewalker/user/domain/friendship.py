"""Friendships: what can stand between two users, and what becomes of it when one of them acts.

Limits live here too; counting is the store's work.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from firewalker.kernel.ids import UserId
from firewalker.user.domain.faults import (
    CannotBefriendSelf,
    DailyRequestLimitReached,
    FriendLimitReached,
    FriendRequestNotFound,
    IncomingRequestLimitReached,
    OutgoingRequestLimitReached,
)

MAX_FRIENDS = 500
"""Most friends of a user (contract)."""

MAX_OUTGOING_REQUESTS = 100
"""Most requests of a user that wait for an answer (contract)."""

MAX_INCOMING_REQUESTS = 500
"""Most requests that wait for one user's answer (contract)."""

MAX_REQUESTS_A_DAY = 30
"""Most requests that a user can send in any 24 hours (contract)."""

REQUEST_DAY = timedelta(hours=24)
"""The span of `MAX_REQUESTS_A_DAY`. It slides: no moment of the day gives twice as many."""


class State(Enum):
    """Where a pair stands."""

    NONE = 1
    REQUESTED = 2
    FRIENDS = 3


class Direction(Enum):
    """Of a pending request, seen from one user."""

    INCOMING = 1
    """The other has asked."""
    OUTGOING = 2
    """This user has asked."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two different users in the order of their ids, so that both sides mean the same row."""

    low: UserId
    high: UserId

    @classmethod
    def of(cls, one: UserId, another: UserId) -> "Pair":
        """The pair of the two, in whatever order they are given.

        Raises:
            CannotBefriendSelf: They are the same user.
        """
        if one == another:
            raise CannotBefriendSelf
        return cls(min(one, another), max(one, another))

    def other(self, than: UserId) -> UserId:
        """The one of the two who is not *than*."""
        return self.high if than == self.low else self.low


@dataclass(frozen=True, slots=True)
class FriendRequested:
    """*requester* asked *addressee* for a friendship."""

    requester: UserId
    addressee: UserId
    at: datetime


@dataclass(frozen=True, slots=True)
class FriendshipAccepted:
    """The two became friends: *requester* had asked, *accepter* agreed by accepting or by asking back."""

    accepter: UserId
    requester: UserId
    at: datetime


FriendshipEvent = FriendRequested | FriendshipAccepted


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
        if after.incoming > before.incoming and self.incoming >= MAX_INCOMING_REQUESTS:
            raise IncomingRequestLimitReached
        return Counts(
            self.friends - before.friends + after.friends,
            self.outgoing - before.outgoing + after.outgoing,
            self.incoming - before.incoming + after.incoming,
        )


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a friendship. Without events nothing changed."""

    after: "Friendship"
    events: Sequence[FriendshipEvent] = ()


@dataclass(frozen=True, slots=True)
class Friendship:
    """What stands between two users. One value per pair, whichever side looks at it.

    *since* is when the present state began: the time of the request, or of becoming friends.
    """

    pair: Pair
    state: State = State.NONE
    requested_by: UserId | None = None
    since: datetime | None = None

    def request(self, by: UserId, at: datetime) -> Change:
        """Ask the other user. Asking again, or asking a friend, changes nothing; a counter-request makes friends."""
        if self.state is State.FRIENDS or self.requested_by == by:
            return Change(self)
        if self.state is State.REQUESTED:
            return self.accept(by, at)
        asked = replace(self, state=State.REQUESTED, requested_by=by, since=at)
        return Change(asked, [FriendRequested(requester=by, addressee=self.pair.other(by), at=at)])

    def accept(self, by: UserId, at: datetime) -> Change:
        """Turn the other user's pending request into a friendship. Accepting a friend changes nothing.

        Raises:
            FriendRequestNotFound: Nothing is pending, or *by* is the one who asked.
        """
        if self.state is State.FRIENDS:
            return Change(self)
        if self.state is not State.REQUESTED or self.requested_by == by:
            raise FriendRequestNotFound
        friends = replace(self, state=State.FRIENDS, requested_by=None, since=at)
        return Change(friends, [FriendshipAccepted(accepter=by, requester=self.pair.other(by), at=at)])

    def share_of(self, user: UserId) -> Counts:
        """What this pair takes of *user*'s limits."""
        if self.state is State.FRIENDS:
            return Counts(friends=1)
        if self.state is State.REQUESTED:
            return Counts(outgoing=1) if self.requested_by == user else Counts(incoming=1)
        return Counts()


def ensure_not_too_many_today(sent: Sequence[datetime], at: datetime) -> None:
    """Refuse a request at *at* after those *sent* in the 24 hours before, oldest first.

    Raises:
        DailyRequestLimitReached: They are 30; `retry_after` tells when there is room again.
    """
    if len(sent) >= MAX_REQUESTS_A_DAY:
        raise DailyRequestLimitReached(retry_after=sent[-MAX_REQUESTS_A_DAY] + REQUEST_DAY - at)
