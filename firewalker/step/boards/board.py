"""One watched board: what its watchers have been told, what they have not, and when they will be."""

import re
import secrets
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from math import inf

from prometheus_client import Counter, Histogram

from firewalker.kernel.faults import Fault
from firewalker.kernel.ids import UserId
from firewalker.runtime.metrics import REGISTRY
from firewalker.step.boards.subject import Subject
from firewalker.step.boards.subjects import Subjects
from firewalker.step.boards.updates import Changes, EndReason, Heartbeat, Snapshot
from firewalker.step.boards.watcher import Watcher
from firewalker.step.domain.board import LiveBoard
from firewalker.step.domain.circle import Circle
from firewalker.step.domain.leaderboard import Standing, as_seen

_FRAMES = Counter(
    "firewalker_step_board_frames_total", "Frames of watched boards, each told to all who watch.", registry=REGISTRY
)
_TOLD_S = Histogram(
    "firewalker_step_board_wait_seconds", "From the first change that a frame tells of, in this process, to the frame.",
    buckets=(0.001, 0.01, 0.1, 0.3, 0.6, 1, 1.5, 3), registry=REGISTRY,
)  # fmt: skip

FRAME_GAP_S = 1.0
"""Shortest time between two frames of a board that tell of steps (contract)."""

HASTE_GAP_S = 0.1
"""The same for one that tells who is on the board and what is shown of them: with the way there, that has a second."""

HEARTBEAT_S = 20.0
"""Longest time without a frame (contract)."""

_COUNT = re.compile(r"[0-9]{1,18}", re.ASCII)

LINGER_S = 60.0
"""How long a board is kept without watchers, so that whoever lost the connection can resume."""

_PLANNED_AHEAD = timedelta(seconds=2 * HEARTBEAT_S)
"""Ends further away need no plan: the board is looked at for its heartbeat before."""

_NEVER = datetime.max.replace(tzinfo=UTC)


class WatchedBoard:
    """The board of one walker and date, shared by all streams of that walker that watch it.

    Standings that change mark it; it goes out at once if the last frame is a second old, else when it is. Who
    is on the board, and what is shown of them, hardly waits. A watcher's
    whole state is the version it has been told: one that reads slowly skips versions, and nothing queues up for it.
    """

    __slots__ = (
        "_abandoned",
        "_begun",
        "_gap_s",
        "_latest",
        "_next_end",
        "_read_at",
        "_subjects",
        "_untold",
        "beat",
        "board_id",
        "circle",
        "day",
        "dirty",
        "due",
        "frame_at",
        "freeze",
        "live",
        "members",
        "midnight",
        "viewer",
        "viewer_id",
        "watchers",
    )

    def __init__(
        self, viewer: UserId, day: date, circle: Circle, subjects: Subjects, abandoned: "Callable[[WatchedBoard], None]"
    ) -> None:
        """*abandoned* is called once nobody has watched for `LINGER_S`, or watches a day that is over."""
        self.day = day
        self.viewer_id = viewer
        self.viewer = viewer.bytes
        self.board_id = secrets.token_hex(6)
        self.circle = circle
        self.members: dict[bytes, Subject] = {}
        self.live = LiveBoard(())
        self.dirty: set[bytes] = set()
        self._begun = 0.0
        """When the first change happened that not all watchers have been told."""
        self.watchers: dict[Watcher, None] = {}
        self.frame_at = -inf
        self.due = inf
        self._gap_s = FRAME_GAP_S
        self._subjects = subjects
        self._abandoned = abandoned
        self.beat: Heartbeat | None = None
        """The last thing said, if that was a heartbeat."""
        self._latest: Changes | None = None
        self._untold = False
        """Whether a watcher who came lately was shown more than the others have been told."""
        self.show(circle)

    @property
    def version(self) -> str:
        """Names what watchers have been told, across processes and restarts."""
        return f"{self.board_id}.{self.live.version}"

    # -- what it is made of ------------------------------------------------------------------------------------------

    def show(self, circle: Circle) -> None:
        """Make the people of *circle* its members.

        Nobody new is shown before it is known what they have walked: see `unknown`.
        """
        before = self.circle
        self.circle = circle
        self.midnight = circle.midnight(self.day)
        self.freeze = circle.freeze_time(self.day)
        self._find_next_end()
        self._read_at = self._subjects.monotonic()
        people = {person.user_id: person for person in circle.members(self.day, self._subjects.utc())}
        kept = {user for user in people if user in self.members}
        kept -= {user for user in kept if self.members[user].scope != circle.scope(self.day, user)}
        for user in self.members.keys() - kept:
            self._subjects.detach(self, user)
            del self.members[user]
            self.touch(user)
        for user, person in people.items():
            if user in self.members:
                self.members[user].rename(person)
                if before.sight(user) is not circle.sight(user):
                    self.touch(user, in_haste=True)
            else:
                self.members[user] = self._subjects.attach(self, person)
                self.touch(user)

    def unknown(self) -> list[bytes]:
        """The members whose totals have to be looked up; `Subjects.settle` is to be told."""
        return [user for user, subject in self.members.items() if not subject.known]

    @property
    def age_s(self) -> float:
        """Seconds since its circle was read."""
        return self._subjects.monotonic() - self._read_at

    def begin(self) -> None:
        """Take the members' standings as what everybody has been told. Once, before the first watcher."""
        self.dirty.clear()
        self._gap_s = FRAME_GAP_S
        self.live = LiveBoard(self._seen(subject) for subject in self.members.values() if subject.known)

    def fail(self, fault: Fault) -> None:
        """The board is not the viewer's any more: end every stream with *fault*."""
        for watcher in self.watchers:
            watcher.fail(fault)

    def dissolve(self) -> None:
        """Give up the members: the board is not used any more."""
        for user in self.members:
            self._subjects.detach(self, user)
        self.members = {}
        self._subjects.agenda.discard(self)

    # -- what changes ------------------------------------------------------------------------------------------------

    def touch(self, user: bytes, *, in_haste: bool = False) -> None:
        """The standing of *user*, or whether they are on the board, is different.

        It is told in haste where it lets them come or go: who comes does so once it is known what they have walked.
        """
        if in_haste or self._comes_or_goes(user):
            self._gap_s = HASTE_GAP_S
        if self.watchers:
            self._subjects.agenda.put(self, self.frame_at + self._gap_s)
        if not self._pending:
            self._begun = self._subjects.monotonic()
        self.dirty.add(user)

    def _comes_or_goes(self, user: bytes) -> bool:
        subject = self.members.get(user)
        if user in self.live.users():
            return subject is None
        return subject is not None and subject.known

    def fall_due(self, now: float) -> None:
        """Send what is to be sent, end what is over, and come back in time for the rest."""
        if not self.watchers:
            if now - self.frame_at >= LINGER_S:
                self._abandoned(self)
            else:
                self._subjects.agenda.put(self, self.frame_at + LINGER_S)
            return
        wall = self._subjects.utc()
        over = [watcher for watcher in self.watchers if wall >= watcher.until] if wall >= self._next_end else ()
        if self._pending and (over or now - self.frame_at >= self._gap_s):
            self._publish(now)  # also what would be due later: the end shows the last state
        if over:
            for watcher in over:
                watcher.end(EndReason.DAY_OVER)
            self._find_next_end()
        if now - self.frame_at >= HEARTBEAT_S:
            self.frame_at = now
            self.beat = Heartbeat(self.version)
            self._wake()
        self._plan(now, wall)

    def _plan(self, now: float, wall: datetime) -> None:
        """Come back for the next frame, heartbeat or end, whichever is first."""
        due = self.frame_at + (self._gap_s if self._pending else HEARTBEAT_S)
        if self._next_end - wall < _PLANNED_AHEAD:
            due = min(due, now + max((self._next_end - wall).total_seconds(), 0.0))
        self._subjects.agenda.put(self, due)

    def _find_next_end(self) -> None:
        self._next_end = min((watcher.until for watcher in self.watchers if not watcher.ended), default=_NEVER)

    @property
    def _pending(self) -> bool:
        """Whether there is something that watchers have not been told."""
        return bool(self.dirty) or self._untold

    def _publish(self, now: float) -> None:
        """Tell every watcher what they have not been told."""
        self._gap_s = FRAME_GAP_S
        if self._fold() or self._untold:
            self._untold = False
            _FRAMES.inc()
            _TOLD_S.observe(max(0.0, now - self._begun))
            self.frame_at = now
            self._wake()

    def _fold(self) -> bool:
        """Make what has changed the next version; whether there is one."""
        members = self.members
        change = self.live.update(
            [self._seen(members[user]) for user in self.dirty if user in members and members[user].known],
            [user for user in self.dirty if user not in members],
        )
        self.dirty.clear()
        if change is None:
            return False
        self.beat = None
        self._latest = Changes(self.version, self.viewer, change)
        return True

    def _seen(self, subject: Subject) -> Standing:
        user = subject.person.user_id
        return as_seen(subject.standing, self.circle.sight(user), own=user == self.viewer)

    def _wake(self) -> None:
        for watcher in self.watchers:
            watcher.wake()

    # -- what watchers ask -------------------------------------------------------------------------------------------

    def join(self, watcher: "Watcher") -> None:
        """Let *watcher* follow from now on, beginning with all that is known; the others hear of it in their turn.

        Whoever comes from another process has seen everything there: an older state here would be a step back.
        """
        now = self._subjects.monotonic()
        changed = self._fold()
        if self.watchers:
            self._untold |= changed
        else:
            self.frame_at = now
        if not self._pending:
            self._gap_s = FRAME_GAP_S
        self.watchers[watcher] = None
        self._find_next_end()
        self._plan(now, self._subjects.utc())

    def leave(self, watcher: "Watcher") -> None:
        """*watcher* is gone. Of a day that is over, nobody comes back for what they have not seen."""
        self.watchers.pop(watcher, None)
        self._find_next_end()
        if not self.watchers:
            self.frame_at = self._subjects.monotonic()
            self._latest = self.beat = None
            self._untold = False
            if self._subjects.utc() >= self.freeze:
                self._abandoned(self)
            else:
                self._subjects.agenda.put(self, self.frame_at + LINGER_S)

    def snapshot(self) -> Snapshot:
        """The whole board as of the present version."""
        return Snapshot(self.day, self.version, self.viewer, self.live.rows())

    def since(self, seen: int) -> Changes | Snapshot:
        """What leads from version *seen* to the present one; the whole board where that is not known any more."""
        if self._latest is not None and seen == self.live.version - 1:
            return self._latest
        change = self.live.since(seen)
        return self.snapshot() if change is None else Changes(self.version, self.viewer, change)

    def resumed(self, version: str) -> int | None:
        """The count in a version text, if it is one of this board's that it can still lead on from; else None."""
        board_id, _, count = version.partition(".")
        if board_id != self.board_id or not _COUNT.fullmatch(count):
            return None
        return None if self.live.since(int(count)) is None else int(count)
