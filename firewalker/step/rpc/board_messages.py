"""Boards as messages: rows, snapshots, changes, ends. upb throughout; each update of a watched board is made once."""

from collections.abc import Iterable
from datetime import date
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

from firewalker.runtime.grpc.messages import message_class
from firewalker.step.boards.updates import Changes, End, EndReason, Heartbeat, Snapshot, Update
from firewalker.step.domain.leaderboard import Freshness, Row, State
from firewalker.step.domain.visibility import steps_seen
from firewalker.step.usecases.leaderboards import FriendBoard

_Entry = message_class("firewalker.step.v1.LeaderboardEntry")
_Read = message_class("firewalker.step.v1.GetFriendLeaderboardResponse")
_Watched = message_class("firewalker.step.v1.WatchFriendLeaderboardResponse")

_STATES: Final = {state: _Entry.State.Value(state.name) for state in State}
_FRESHNESS: Final = {
    freshness: _Entry.Freshness.Value(freshness.name if freshness else "FRESHNESS_UNSPECIFIED")
    for freshness in Freshness
}
_REASONS: Final = {reason: _Watched.End.Reason.Value(reason.name) for reason in EndReason}


def board_answer(board: FriendBoard) -> bytes:
    """The serialised answer to GetFriendLeaderboard. Its version is made from what it shows, so equal boards share one."""
    return bytes(_read(board).SerializeToString())


def frozen_answers(board: FriendBoard) -> tuple[bytes, bytes]:
    """What a watcher is told of a board that stands for good: the whole of it, and that nothing more will come."""
    snapshot, end = _Watched(), _Watched()
    snapshot.snapshot.CopyFrom(_read(board).leaderboard)
    end.end.reason = _REASONS[EndReason.DAY_OVER]
    end.end.version = snapshot.snapshot.version
    return bytes(snapshot.SerializeToString()), bytes(end.SerializeToString())


def update_answer(update: Update) -> bytes:
    """The serialised answer that tells a watcher of *update*: made when it is first asked for, then shared."""
    if not update.wire:
        update.wire = _watched(update).SerializeToString()
    return update.wire


def _read(board: FriendBoard) -> Any:
    answer = _Read()
    leaderboard = answer.leaderboard
    leaderboard.date = _text(board.day)
    _add(leaderboard.entries, board.rows, board.me)
    leaderboard.version = blake2b(answer.SerializeToString(), digest_size=12).hexdigest()
    return answer


def _watched(update: Update) -> Any:
    answer = _Watched()
    match update:
        case Changes():
            changes = answer.changes
            changes.version = update.version
            _add(changes.entries, update.change.rows, update.me)
            changes.removed_user_ids.extend(str(UUID(bytes=user)) for user in update.change.removed)
        case Snapshot():
            snapshot = answer.snapshot
            snapshot.date = _text(update.day)
            snapshot.version = update.version
            _add(snapshot.entries, update.rows, update.me)
        case Heartbeat():
            answer.heartbeat.version = update.version
        case End():
            answer.end.reason = _REASONS[update.reason]
            answer.end.version = update.version
    return answer


def _add(entries: Any, rows: Iterable[Row], me: bytes) -> None:
    add = entries.add
    for rank, (_, behind, _, user_id, state, freshness, goal_reached, person, sight) in rows:
        # Field by field: half the time of keyword arguments, and this runs for every friend of every board read.
        entry = add()
        entry.rank = rank
        entry.user_id = person.text_id
        entry.nickname = person.nickname
        entry.avatar_url = person.avatar_url
        entry.steps = steps_seen(-behind, sight) if sight else -behind
        entry.state = _STATES[state]
        entry.freshness = _FRESHNESS[freshness]
        if goal_reached:
            entry.goal_reached = True
        if user_id == me:
            entry.me = True


def _text(day: date) -> str:
    return day.isoformat()
