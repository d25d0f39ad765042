"""Which facts a round tries one by one, after rounds in which some came too late with none arriving."""

from collections.abc import Collection
from uuid import UUID

from firewalker.runtime.outbox.lane import BATCH, MAX_ATTEMPTS, Row
from firewalker.runtime.outbox.rounds import LATE_PROBES, Round


def rows(count: int) -> list[Row]:
    return [Row(position, UUID(int=position), b"", 0, 0) for position in range(1, count + 1)]


def positions(of: Collection[Row]) -> list[int]:
    return [row.position for row in of]


def all_late(found: Round) -> list[int]:
    """As if none was answered in time; which were tried."""
    for row in found.rows:
        if found.hopeless:
            break
        found.late.append(row)
    return positions(found.late)


def test_rounds_in_which_nothing_is_answered_reach_every_fact_and_begin_with_the_first_each_time() -> None:
    waiting, unanswered, reached = rows(BATCH), frozenset[int](), set[int]()
    for _ in range(BATCH // (LATE_PROBES - 1)):
        found = Round(waiting, unanswered)
        tried, unanswered = all_late(found), found.unanswered
        assert (tried[0], len(tried) <= LATE_PROBES) == (1, True)
        assert not reached & set(tried[1:])
        reached |= set(tried)
    assert reached == {row.position for row in waiting}
    assert all_late(Round(waiting, unanswered)) == [1, 2, 3, 4, 5]


def test_what_came_too_late_in_any_round_is_tried_once_more_in_order_when_one_arrives() -> None:
    found = Round(rows(8), {1, 2, 3, 4, 5})
    assert positions(found.rows) == [1, 6, 7, 8]
    found.late.append(found.rows[0])
    assert positions(found.take_unanswered()) == [1, 2, 3, 4, 5]
    assert (found.unanswered, found.hopeless) == (frozenset(), False)


def test_one_that_was_tried_too_often_is_not_tried() -> None:
    first, second = rows(2)
    found = Round([first._replace(attempts=MAX_ATTEMPTS), second], ())
    assert (positions(found.rows), positions(found.deadly)) == ([2], [1])
