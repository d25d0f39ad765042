"""What should stand between two users, told in the plainest way: an oracle for the rule, the store and the service.

Nothing of the product is used. Times are in seconds. Users are 0 and 1.
"""

from dataclasses import dataclass, field

WEEK_S = 7 * 24 * 3600

ACTIONS = ("ask", "accept", "decline", "cancel", "remove", "block", "unblock", "hide", "show")


class Refused(Exception):
    """The action is refused with the reason in the text."""


@dataclass
class PairModel:
    friends: bool = False
    wish: dict[int, str] = field(default_factory=dict)
    """By who asked: `seen`, `declined` or `silent`. Never both."""
    declined_s: dict[int, float] = field(default_factory=dict)
    blocks: set[int] = field(default_factory=set)
    hides: set[int] = field(default_factory=set)
    told: list[str] = field(default_factory=list)
    """The kinds of the events so far."""

    def act(self, action: str, by: int, now_s: float) -> str:
        """Why the action is refused; empty if it is not."""
        try:
            getattr(self, action)(by, 1 - by, now_s)
        except Refused as refused:
            return str(refused)
        return ""

    def ask(self, by: int, other: int, now_s: float) -> None:
        if by in self.blocks:
            raise Refused("USER_IS_BLOCKED")
        if self.friends:
            return
        if self.wish.get(other) in {"seen", "declined"}:
            self._befriend()
            return
        self.wish.pop(other, None)  # a silent one is worth nothing
        cooling = by in self.declined_s and now_s < self.declined_s[by] + WEEK_S
        reach = "silent" if other in self.blocks else "declined" if cooling else "seen"
        before = self.wish.get(by)
        if before is None or (reach == "seen" and before != "seen"):
            self.wish[by] = reach
            if reach == "seen":
                self.told.append("FriendRequested")

    def accept(self, _by: int, other: int, _now_s: float) -> None:
        if self.friends:
            return
        if self.wish.get(other) != "seen":
            raise Refused("FRIEND_REQUEST_NOT_FOUND")
        self._befriend()

    def decline(self, _by: int, other: int, now_s: float) -> None:
        if self.wish.get(other) not in {"seen", "declined"}:
            raise Refused("FRIEND_REQUEST_NOT_FOUND")
        if self.wish[other] == "seen":
            self.wish[other] = "declined"
            self.declined_s[other] = now_s
            self.told.append("FriendRequestWithdrawn")

    def cancel(self, by: int, _other: int, _now_s: float) -> None:
        if self.wish.pop(by, None) == "seen":
            self.told.append("FriendRequestWithdrawn")

    def remove(self, _by: int, _other: int, _now_s: float) -> None:
        if self.friends:
            self._part()

    def block(self, by: int, other: int, _now_s: float) -> None:
        if by in self.blocks:
            return
        if self.friends:
            self._part()
        if "seen" in self.wish.values():
            self.told.append("FriendRequestWithdrawn")
        self.wish.pop(by, None)
        if other in self.wish:
            self.wish[other] = "silent"
        self.blocks.add(by)
        self.told.append("UserBlocked")

    def unblock(self, by: int, _other: int, _now_s: float) -> None:
        if by in self.blocks:
            self.blocks.remove(by)
            self.told.append("UserUnblocked")

    def hide(self, by: int, _other: int, _now_s: float) -> None:
        self._set(by, hidden=True)

    def show(self, by: int, _other: int, _now_s: float) -> None:
        self._set(by, hidden=False)

    def seen_by(self, user: int) -> str:
        """What the user is told of the pair's state."""
        if self.friends:
            return "FRIENDS"
        asked = user in self.wish or self.wish.get(1 - user) == "seen"
        return "REQUESTED" if asked else "NONE"

    def share_of(self, user: int) -> tuple[int, int, int]:
        """Friends, outgoing and incoming requests that count."""
        return int(self.friends), int(user in self.wish), int(self.wish.get(1 - user) == "seen")

    def _befriend(self) -> None:
        self.friends = True
        self.wish.clear()
        self.declined_s.clear()
        self.told.append("FriendshipAccepted")

    def _part(self) -> None:
        self.friends = False
        self.hides.clear()
        self.told.append("FriendshipEnded")

    def _set(self, by: int, *, hidden: bool) -> None:
        if not self.friends:
            raise Refused("FRIEND_NOT_FOUND")
        if (by in self.hides) != hidden:
            (self.hides.add if hidden else self.hides.remove)(by)
            self.told.append("FriendVisibilityChanged")
