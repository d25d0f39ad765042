"""Boards of several dates: sums follow every date that still changes, and forget what nobody watches."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from firewalker.kernel.ids import UserId
from firewalker.step.boards.agenda import Agenda
from firewalker.step.boards.board import WatchedBoard
from firewalker.step.boards.registry import Boards
from firewalker.step.boards.subjects import Subjects
from firewalker.step.boards.tally import Tally
from firewalker.step.domain.day import UserTotal
from firewalker.step.domain.group import GroupCircle
from firewalker.step.domain.period import Period, Span, span_of
from firewalker.step.live import Frame
from firewalker.step.usecases.group_boards import Walked
from tests.support.clock import NOON, FakeClock
from tests.unit.step.scene import Scene
from tests.unit.step.standings import person

TODAY = NOON.date()
WEEK = span_of(Period.WEEK, TODAY)
ME = person(1).user_id
MY_WEEK = GroupCircle(person(1), period=Period.WEEK, span=WEEK, dates={ME: (WEEK,)}, group_id=b"g" * 16)


def total(steps: int, reached_ms: int = 0) -> UserTotal:
    return UserTotal(steps, reached_ms, reached_ms)


def tally(span: Span = WEEK) -> Tally:
    clock = FakeClock(NOON)
    return Tally(person(1), (span,), Subjects(Agenda(clock.monotonic), clock))


DATES = st.sampled_from([TODAY - timedelta(days=1), TODAY, TODAY + timedelta(days=1)])


@settings(max_examples=50)
@given(st.lists(st.tuples(DATES, st.integers(0, 9_000))), st.integers(0, 20), st.none() | st.integers(0, 50_000))
def test_the_sum_is_of_the_most_that_was_heard_of_each_date_whenever_it_is_looked_up(
    heard: list[tuple[date, int]], looked_up_after: int, settled: int | None
) -> None:
    one = tally()
    walked = Walked(None if settled is None else total(settled), {TODAY: total(5)})
    for number, (day, steps) in enumerate(heard):
        if number == looked_up_after:
            one.settle(walked, TODAY - timedelta(days=1))
        one.hear_on(day, total(steps))
    if len(heard) <= looked_up_after:
        one.settle(walked, TODAY - timedelta(days=1))
    best = {TODAY: 5}
    for day, steps in heard:
        best[day] = max(best.get(day, 0), steps)
    assert one.total is not None
    assert one.total.total == sum(best.values()) + (settled or 0)


def test_a_walker_without_data_is_known_to_have_none() -> None:
    one = tally()
    one.settle(None, TODAY)
    assert one.known
    assert one.total is None


def test_a_date_that_was_heard_of_and_is_settled_by_now_counts_once() -> None:
    one = tally()
    one.settle(None, TODAY)
    one.hear_on(TODAY, total(300))
    one.settle(Walked(total(300), {}), TODAY + timedelta(days=1))
    one.hear_on(TODAY, total(400))
    assert one.total == total(300)


def test_news_of_a_settled_date_have_the_sum_looked_up_again() -> None:
    scene = Scene()
    board = scene.open()
    board.show(MY_WEEK)
    held = UserTotal(65_000, 0, 0, held=True)
    settle(scene.subjects, MY_WEEK, held)
    assert list(scene.subjects.unsettle(WEEK.first - timedelta(days=1), [ME])) == []
    assert list(scene.subjects.unsettle(WEEK.first, [person(2).user_id])) == []
    assert board.unknown() == []
    assert list(scene.subjects.unsettle(WEEK.first, [ME])) == [board]
    assert board.unknown() == [ME]
    settle(scene.subjects, MY_WEEK, total(65_000))
    assert board.members[ME].total == total(65_000)


def test_what_was_read_before_such_news_does_not_settle_the_sum() -> None:
    scene = Scene()
    board = scene.open()
    board.show(MY_WEEK)
    read_before = scene.subjects.unsettlings(MY_WEEK, [ME])
    scene.subjects.unsettle(WEEK.first, [ME])
    read_after = scene.subjects.unsettlings(MY_WEEK, [ME])
    scene.subjects.settle_tallies(MY_WEEK, read_before, {ME: Walked(total(65_000), {})}, TODAY)
    assert board.unknown() == [ME]
    scene.subjects.settle_tallies(MY_WEEK, read_after, {ME: Walked(total(70), {})}, TODAY)
    scene.subjects.settle_tallies(MY_WEEK, read_before, {ME: Walked(total(65_000), {})}, TODAY)
    assert board.unknown() == []
    assert board.members[ME].total == total(70)


def test_frames_that_only_repeat_what_a_settled_date_came_to_are_no_such_news() -> None:
    live, clock = Frames(), FakeClock(NOON)
    unused: Any = None
    boards = Boards(unused, unused, live, clock, of_groups=unused)  # type: ignore[arg-type]
    board = WatchedBoard(UserId(UUID(bytes=ME)), WEEK.first, MY_WEEK, boards.subjects, abandoned=lambda _: None)
    settle(boards.subjects, MY_WEEK, total(500))
    live.tell(Frame(WEEK.first, [(ME, total(300))]))
    assert (board.unknown(), list(boards.outdated)) == ([], [])
    live.tell(Frame(WEEK.first, [(ME, UserTotal(200, 0, 0, revision=1))]))
    assert (board.unknown(), list(boards.outdated)) == ([ME], [board])


class Frames:
    """Live totals of which only frames are wanted."""

    def subscribe(self, hear: Callable[[Frame], None]) -> None:
        self.tell = hear


def settle(subjects: Subjects, circle: GroupCircle, settled: UserTotal) -> None:
    subjects.settle_tallies(circle, subjects.unsettlings(circle, [ME]), {ME: Walked(settled, {})}, TODAY)


def test_frames_reach_tallies_of_their_dates_until_no_board_shows_them() -> None:
    scene = Scene()
    board = scene.open()
    board.show(MY_WEEK)
    found = board.members[ME]
    assert isinstance(found, Tally)
    scene.subjects.settle_tallies(MY_WEEK, {ME: 0}, {}, TODAY)
    scene.subjects.hear(TODAY, [(ME, total(70))])
    scene.subjects.hear(WEEK.first - timedelta(days=1), [(ME, total(9_000))])
    scene.subjects.settle(TODAY + timedelta(days=1), [ME], {ME: total(5)})
    assert found.total is not None
    assert found.total.total == 75
    other = GroupCircle(person(1), period=Period.WEEK, span=WEEK, dates={ME: (Span(TODAY, WEEK.last),)})
    board.show(other)
    assert board.members[ME] is not found
    assert board.unknown() == [ME]
    board.dissolve()
    scene.board.dissolve()
    assert len(scene.subjects) == 0
    assert not scene.subjects._tallies
