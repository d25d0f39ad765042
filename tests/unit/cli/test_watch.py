from hypothesis import example, given
from hypothesis import strategies as st

from firewalker.cli.watch.board import ARROW_S, Board
from firewalker.gen.pb.firewalker.step.v1 import (
    Leaderboard,
    LeaderboardEntry,
    LeaderboardEntryState,
    WatchFriendLeaderboardResponse,
    WatchFriendLeaderboardResponseChanges,
    WatchFriendLeaderboardResponseEnd,
    WatchFriendLeaderboardResponseHeartbeat,
)
from firewalker.step.domain.board import LiveBoard
from firewalker.step.domain.circle import Person
from firewalker.step.domain.leaderboard import Row, ranked


def _row(user_id: str, rank: int, steps: int) -> LeaderboardEntry:
    state = LeaderboardEntryState.RANKED if rank else LeaderboardEntryState.NO_DATA
    return LeaderboardEntry(user_id=user_id, nickname=user_id, rank=rank, steps=steps, state=state)


def _snapshot(
    *rows: LeaderboardEntry, date: str = "2026-03-01", version: str = "b.1"
) -> WatchFriendLeaderboardResponse:
    return WatchFriendLeaderboardResponse(snapshot=Leaderboard(date=date, version=version, entries=list(rows)))


def _changes(*rows: LeaderboardEntry, removed: tuple[str, ...] = ()) -> WatchFriendLeaderboardResponse:
    return WatchFriendLeaderboardResponse(
        changes=WatchFriendLeaderboardResponseChanges(entries=list(rows), removed_user_ids=list(removed), version="b.2")
    )


def _order(board: Board) -> list[str]:
    return [row.user_id for row in board.rows()]


def test_changes_lead_from_a_snapshot_to_the_next_state() -> None:
    board = Board()
    board.apply(_snapshot(_row("ann", 1, 90), _row("bo", 2, 50), _row("cy", 3, 10), _row("di", 0, 0)), 0)
    board.apply(_changes(_row("cy", 1, 99), _row("ann", 2, 90), removed=("bo",)), 1)
    assert _order(board) == ["cy", "ann", "di"]
    assert board.version == "b.2"


def test_a_row_shows_for_some_seconds_that_it_moved() -> None:
    board = Board()
    board.apply(_snapshot(_row("ann", 1, 90), _row("bo", 2, 50)), 0)
    board.apply(_changes(_row("bo", 1, 95), _row("ann", 2, 90)), 1)
    assert (board.moved("bo", 2), board.moved("ann", 2)) == (1, -1)
    assert board.moved("bo", 1 + ARROW_S + 0.1) == 0


def test_a_snapshot_after_a_gap_shows_movement_and_a_new_date_does_not() -> None:
    board = Board()
    board.apply(_snapshot(_row("ann", 1, 90), _row("bo", 2, 50)), 0)
    board.apply(_snapshot(_row("bo", 1, 95), _row("ann", 2, 90)), 1)
    assert board.moved("bo", 1) == 1
    board.apply(_snapshot(_row("ann", 1, 5), _row("bo", 2, 1), date="2026-03-02"), 20)
    assert board.moved("ann", 20) == 0
    assert _order(board) == ["ann", "bo"]


def test_heartbeats_and_the_end_change_nothing_but_the_version() -> None:
    board = Board()
    board.apply(_snapshot(_row("ann", 1, 90)), 0)
    heartbeat = WatchFriendLeaderboardResponseHeartbeat(version="b.7")
    assert not board.apply(WatchFriendLeaderboardResponse(heartbeat=heartbeat), 1)
    end = WatchFriendLeaderboardResponseEnd(version="b.8")
    assert not board.apply(WatchFriendLeaderboardResponse(end=end), 2)
    assert board.version == "b.8"
    assert _order(board) == ["ann"]


def test_users_without_a_rank_come_last_and_ties_stay_as_sent() -> None:
    board = Board()
    board.apply(_snapshot(_row("bo", 1, 90), _row("ann", 1, 90), _row("cy", 3, 50), _row("di", 0, 0)), 0)
    board.apply(_changes(_row("di", 4, 1)), 1)
    assert _order(board) == ["bo", "ann", "cy", "di"]


WALKERS = tuple(Person(name.encode() * 16, name) for name in ("ann", "bo", "cy", "di"))


def _shown(row: Row) -> LeaderboardEntry:
    standing = row.standing
    return _row(standing.person.text_id, row.rank, standing.steps)


@given(st.lists(st.dictionaries(st.sampled_from(WALKERS), st.integers(0, 5), min_size=1), max_size=12))
@example([{WALKERS[0]: 3, WALKERS[1]: 2}, {WALKERS[1]: 4}, {WALKERS[0]: 4}])
def test_ties_that_come_about_stand_in_the_order_of_the_server(told: list[dict[Person, int]]) -> None:
    server = LiveBoard([])
    board = Board()
    board.apply(_snapshot(), 0)
    reached: dict[Person, tuple[int, int]] = {}
    for at, batch in enumerate(told, 1):
        for place, (person, steps) in enumerate(batch.items()):
            if person not in reached or reached[person][0] != steps:
                reached[person] = (steps, at * 10 + place)
        change = server.update([ranked(person, *reached[person], at, at) for person in batch])
        if change is not None:
            board.apply(_changes(*map(_shown, change.rows)), at)
        assert _order(board) == [row.standing.person.text_id for row in server.rows()]
