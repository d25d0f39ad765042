"""Boards of several dates: sums follow every date that still changes, and forget what nobody watches."""

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from firewalker.step.boards.agenda import Agenda
from firewalker.step.boards.subjects import Subjects
from firewalker.step.boards.tally import Tally
from firewalker.step.domain.day import UserTotal
from firewalker.step.domain.group import GroupCircle
from firewalker.step.domain.period import Period, Span, span_of
from firewalker.step.usecases.group_boards import Walked
from tests.support.clock import NOON, FakeClock
from tests.unit.step.standings import person
from tests.unit.step.test_watched_board import Scene

TODAY = NOON.date()
WEEK = span_of(Period.WEEK, TODAY)
ME = person(1).user_id


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
            one.settle(walked)
        one.hear_on(day, total(steps))
    if len(heard) <= looked_up_after:
        one.settle(walked)
    best = {TODAY: 5}
    for day, steps in heard:
        best[day] = max(best.get(day, 0), steps)
    assert one.total is not None
    assert one.total.total == sum(best.values()) + (settled or 0)


def test_a_walker_without_data_is_known_to_have_none() -> None:
    one = tally()
    one.settle(None)
    assert one.known
    assert one.total is None


def test_frames_reach_tallies_of_their_dates_until_no_board_shows_them() -> None:
    scene = Scene()
    circle = GroupCircle(person(1), period=Period.WEEK, span=WEEK, dates={ME: (WEEK,)}, group_id=b"g" * 16)
    board = scene.open()
    board.show(circle)
    found = board.members[ME]
    assert isinstance(found, Tally)
    scene.subjects.settle_tallies(circle, [ME], {})
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
