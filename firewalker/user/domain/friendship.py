"""Friendships: what can stand between two users, and what becomes of it when one of them acts. Limits: `friend_limits`.

Two silences are kept here. A request that was declined, or made to somebody who blocks, looks pending to whoever asked:
it counts in the asker's limits and can be taken back, but the other does not see it, and no event tells of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from firewalker.kernel.ids import UserId
from firewalker.user.domain.faults import CannotBefriendSelf, FriendNotFound, FriendRequestNotFound, UserIsBlocked
from firewalker.user.domain.friend_limits import Counts
from firewalker.user.domain.user import Visibility

COOL_DOWN = timedelta(days=7)
"""How long after a decline the same user's requests reach nobody (contract)."""

MILLISECOND = timedelta(milliseconds=1)


class State(Enum):
    """Where a pair stands."""

    NONE = 1
    REQUESTED = 2
    FRIENDS = 3


class Reach(Enum):
    """Whom a pending request reaches."""

    SEEN = 1
    """The other user, who can answer."""
    DECLINED = 2
    """Nobody: the other declined. If they ask back one day, both are friends."""
    SILENT = 3
    """Nobody: the other blocked the asker. It never becomes a friendship."""


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


@dataclass(frozen=True, slots=True)
class FriendRequestWithdrawn:
    """A request that *addressee* saw is not open any more, without a friendship."""

    requester: UserId
    addressee: UserId
    at: datetime


@dataclass(frozen=True, slots=True)
class FriendshipEnded:
    """The two are no friends any more; *user* ended it."""

    user: UserId
    friend: UserId
    at: datetime


@dataclass(frozen=True, slots=True)
class UserBlocked:
    """*blocker* blocked *blocked*."""

    blocker: UserId
    blocked: UserId
    at: datetime


@dataclass(frozen=True, slots=True)
class UserUnblocked:
    """*blocker* does not block *blocked* any more."""

    blocker: UserId
    blocked: UserId
    at: datetime


@dataclass(frozen=True, slots=True)
class FriendVisibilityChanged:
    """*user* shows *friend* something else; None: the same as everybody."""

    user: UserId
    friend: UserId
    visibility: Visibility | None
    at: datetime


FriendshipEvent = (
    FriendRequested
    | FriendshipAccepted
    | FriendRequestWithdrawn
    | FriendshipEnded
    | UserBlocked
    | UserUnblocked
    | FriendVisibilityChanged
)


@dataclass(frozen=True, slots=True)
class Side:
    """What one of a pair has set or brought about towards the other."""

    blocks_since: datetime | None = None
    declined: datetime | None = None
    """When the other last declined this one's request."""
    shows: Visibility | None = None
    """What the other, a friend, is shown; None: the same as everybody."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a friendship, and what there is to tell of it."""

    before: "Friendship"
    after: "Friendship"
    events: Sequence[FriendshipEvent] = ()

    @property
    def changed(self) -> bool:
        """Whether there is anything to store."""
        return self.after != self.before

    @property
    def asks(self) -> bool:
        """Whether a request was made, one that nobody sees included: it counts against the day's."""
        return self.after.state is State.REQUESTED and self.after.since != self.before.since


@dataclass(frozen=True, slots=True)
class Friendship:
    """What stands between two users. One value per pair, whichever side looks at it.

    *since* is when the present state began: the time of the request, or of becoming friends. *changed* is the time of
    the last change of anything; the times of a pair's events grow, whatever the clocks of the processes say, because
    receivers go by them.
    """

    pair: Pair
    state: State = State.NONE
    requested_by: UserId | None = None
    since: datetime | None = None
    reach: Reach = Reach.SEEN
    low: Side = field(default_factory=Side)
    high: Side = field(default_factory=Side)
    changed: datetime | None = None

    def side(self, user: UserId) -> Side:
        """What *user* has set or brought about towards the other."""
        return self.low if user == self.pair.low else self.high

    def with_side(self, user: UserId, **particulars: object) -> "Friendship":
        """The same with something else that *user* has set or brought about."""
        side = replace(self.side(user), **particulars)  # type: ignore[arg-type]  # fields of `Side`
        return replace(self, low=side) if user == self.pair.low else replace(self, high=side)

    def request(self, by: UserId, at: datetime) -> Change:
        """Ask the other user. Asking again, or asking a friend, changes nothing; a counter-request makes friends.

        Raises:
            UserIsBlocked: *by* blocks the other.
        """
        at, other = self._moment(at), self.pair.other(by)
        if self.side(by).blocks_since is not None:
            raise UserIsBlocked
        if self.state is State.FRIENDS:
            return Change(self, self)
        if self.requested_by == other and self.reach is not Reach.SILENT:
            return self._befriend(by, at)
        reach = self._reach(by, at)
        if self.requested_by == by and (self.reach is Reach.SEEN or reach is not Reach.SEEN):
            return Change(self, self)
        asked = replace(self, state=State.REQUESTED, requested_by=by, since=at, reach=reach, changed=at)
        return Change(self, asked, [FriendRequested(by, other, at)] if reach is Reach.SEEN else ())

    def accept(self, by: UserId, at: datetime) -> Change:
        """Turn the other user's pending request into a friendship. Accepting a friend changes nothing.

        Raises:
            FriendRequestNotFound: Nothing that *by* sees is pending, or *by* is the one who asked.
        """
        if self.state is State.FRIENDS:
            return Change(self, self)
        if self.requested_by != self.pair.other(by) or self.reach is not Reach.SEEN:
            raise FriendRequestNotFound
        return self._befriend(by, self._moment(at))

    def decline(self, by: UserId, at: datetime) -> Change:
        """Turn the other user's pending request down, silently. Declining again changes nothing.

        Raises:
            FriendRequestNotFound: Nothing is pending, or *by* is the one who asked.
        """
        at, other = self._moment(at), self.pair.other(by)
        if self.requested_by != other or self.reach is Reach.SILENT:
            raise FriendRequestNotFound
        if self.reach is Reach.DECLINED:
            return Change(self, self)
        declined = replace(self, reach=Reach.DECLINED, changed=at).with_side(other, declined=at)
        return Change(self, declined, [FriendRequestWithdrawn(other, by, at)])

    def cancel(self, by: UserId, at: datetime) -> Change:
        """Take *by*'s own request back; where there is none, nothing changes. A decline is not forgotten by it."""
        if self.requested_by != by:
            return Change(self, self)
        at = self._moment(at)
        return Change(self, self._nothing(at), self._withdrawn(at))

    def remove(self, by: UserId, at: datetime) -> Change:
        """End the friendship; where there is none, nothing changes."""
        if self.state is not State.FRIENDS:
            return Change(self, self)
        at = self._moment(at)
        return Change(self, self._nothing(at), [FriendshipEnded(by, self.pair.other(by), at)])

    def block(self, by: UserId, at: datetime) -> Change:
        """Block the other user, whose own request goes on looking pending to them alone; all else between them ends."""
        if self.side(by).blocks_since is not None:
            return Change(self, self)
        at, other = self._moment(at), self.pair.other(by)
        events: list[FriendshipEvent] = []
        if self.state is State.FRIENDS:
            events.append(FriendshipEnded(by, other, at))
        events += self._withdrawn(at)
        keeps_looking = self.requested_by == other
        left = replace(self, reach=Reach.SILENT, changed=at) if keeps_looking else self._nothing(at)
        return Change(self, left.with_side(by, blocks_since=at), [*events, UserBlocked(by, other, at)])

    def unblock(self, by: UserId, at: datetime) -> Change:
        """Lift *by*'s block; where there is none, nothing changes."""
        if self.side(by).blocks_since is None:
            return Change(self, self)
        at = self._moment(at)
        lifted = replace(self, changed=at).with_side(by, blocks_since=None)
        return Change(self, lifted, [UserUnblocked(by, self.pair.other(by), at)])

    def show(self, by: UserId, visibility: Visibility | None, at: datetime) -> Change:
        """Show the other, a friend, that much of *by*'s steps; None: as much as everybody.

        Raises:
            FriendNotFound: They are no friends.
        """
        if self.state is not State.FRIENDS:
            raise FriendNotFound
        if self.side(by).shows is visibility:
            return Change(self, self)
        at = self._moment(at)
        shown = replace(self, changed=at).with_side(by, shows=visibility)
        return Change(self, shown, [FriendVisibilityChanged(by, self.pair.other(by), visibility, at)])

    def as_seen_by(self, user: UserId) -> "Friendship":
        """The same without a request that *user* does not see."""
        if self.requested_by == self.pair.other(user) and self.reach is not Reach.SEEN:
            return Friendship(self.pair)
        return self

    def share_of(self, user: UserId) -> Counts:
        """What this pair takes of *user*'s limits."""
        if self.state is State.FRIENDS:
            return Counts(friends=1)
        if self.state is State.NONE:
            return Counts()
        if self.requested_by == user:
            return Counts(outgoing=1)
        return Counts(incoming=1) if self.reach is Reach.SEEN else Counts()

    def _reach(self, by: UserId, at: datetime) -> Reach:
        if self.side(self.pair.other(by)).blocks_since is not None:
            return Reach.SILENT
        declined = self.side(by).declined
        return Reach.DECLINED if declined is not None and at < declined + COOL_DOWN else Reach.SEEN

    def _befriend(self, by: UserId, at: datetime) -> Change:
        friends = replace(
            self,
            state=State.FRIENDS,
            requested_by=None,
            since=at,
            reach=Reach.SEEN,
            low=replace(self.low, declined=None),
            high=replace(self.high, declined=None),
            changed=at,
        )
        return Change(self, friends, [FriendshipAccepted(accepter=by, requester=self.pair.other(by), at=at)])

    def _nothing(self, at: datetime) -> "Friendship":
        """No state any more; what a friend was shown goes with it."""
        low, high = replace(self.low, shows=None), replace(self.high, shows=None)
        return Friendship(self.pair, low=low, high=high, changed=at)

    def _withdrawn(self, at: datetime) -> list[FriendshipEvent]:
        if self.requested_by is None or self.reach is not Reach.SEEN:
            return []
        return [FriendRequestWithdrawn(self.requested_by, self.pair.other(self.requested_by), at)]

    def _moment(self, at: datetime) -> datetime:
        return at if self.changed is None else max(at, self.changed + MILLISECOND)
