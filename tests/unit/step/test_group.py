"""Who is in a group for which dates, and what its numbers come to."""

import statistics
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from firewalker.kernel.zone_history import ZoneHistory
from firewalker.step.domain.chart import MOST_NAMED, Style, group_chart
from firewalker.step.domain.circle import Friend
from firewalker.step.domain.group import Change, GroupCircle, Stay, counted, stays
from firewalker.step.domain.group_stats import Cell, distribution, numbers_of
from firewalker.step.domain.period import Period, Span, span_of
from firewalker.step.domain.stats import median
from firewalker.step.domain.visibility import BEFRIENDED, Bond, Visibility
from tests.unit.step.standings import person

MONDAY = date(2026, 3, 23)
WEEK = span_of(Period.WEEK, MONDAY)
"""Clocks go forward on its Sunday, in Europe."""

BERLIN = ZoneHistory(ZoneInfo("Europe/Berlin"))


def at(day: int, hour: int = 12) -> datetime:
    return datetime(2026, 3, 23, hour, tzinfo=UTC) + timedelta(days=day)


CHANGES = st.lists(
    st.builds(Change, st.integers(0, 300).map(lambda hours: at(-3) + timedelta(hours=hours)), st.booleans())
)


@given(CHANGES, st.randoms())
def test_times_in_a_group_do_not_depend_on_the_order_in_which_changes_are_told(
    changes: list[Change], random: object
) -> None:
    told = [*changes, *changes[:2]]
    random.shuffle(told)  # type: ignore[attr-defined]
    found = stays(told)
    assert found == stays(changes)
    for stay, following in pairwise(found):
        assert stay.until is not None
        assert stay.since < stay.until <= following.since


@given(CHANGES, st.sampled_from(["Europe/Berlin", "Pacific/Kiritimati", "America/New_York"]))
def test_a_date_counts_if_its_owner_was_a_member_on_it(changes: list[Change], zone_name: str) -> None:
    zones, times = ZoneHistory(ZoneInfo(zone_name)), stays(changes)
    spans = counted(times, zones, WEEK)
    for day in WEEK.dates():
        member = any(
            zones.today(since) <= day and (until is None or day <= zones.today(until)) for since, until in times
        )
        assert any(first <= day <= last for first, last in spans) == member
    assert all(one.last < other.first for one, other in pairwise(spans))


def test_first_and_last_dates_of_a_membership_count_whole() -> None:
    assert counted([Stay(at(1, 22), at(3, 22))], BERLIN, WEEK) == (Span(date(2026, 3, 24), date(2026, 3, 26)),)
    assert counted([Stay(at(1, 23), None)], BERLIN, WEEK) == (Span(date(2026, 3, 25), WEEK.last),)
    assert counted([Stay(at(8), None)], BERLIN, WEEK) == ()


def group(bonds: dict[int, Bond], dates: dict[int, tuple[Span, ...]] | None = None) -> GroupCircle:
    spans = dates or dict.fromkeys([1, *bonds], (WEEK,))
    return GroupCircle(
        person(1),
        tuple(Friend(person(number), at(-9), bond) for number, bond in bonds.items()),
        period=Period.WEEK,
        span=WEEK,
        dates={person(number).user_id: found for number, found in spans.items()},
    )


def test_members_are_shown_for_their_dates_and_seen_as_they_show_themselves() -> None:
    rounded, hiding = (
        Bond(friends=True, subject_shows=Visibility.ROUNDED),
        Bond(friends=True, viewer_shows=Visibility.HIDDEN),
    )
    circle = group({2: rounded, 3: hiding, 4: BEFRIENDED}, {1: (WEEK,), 2: (WEEK,), 3: (Span(MONDAY, MONDAY),)})
    assert [one.nickname for one in circle.shown] == ["walker 1", "walker 2", "walker 3"]
    assert [one.nickname for one in circle.seen()] == ["walker 1", "walker 2"]
    assert circle.counts(person(3).user_id, MONDAY)
    assert not circle.counts(person(3).user_id, WEEK.last)
    assert circle.spans(MONDAY) == [(person(number).user_id, Span(MONDAY, MONDAY)) for number in (1, 2, 3)]
    assert circle.midnight(MONDAY) == at(7, 0)
    assert circle.freeze_time(MONDAY) == at(7, 12)


@given(
    st.dictionaries(
        st.integers(1, 9), st.dictionaries(st.sampled_from(WEEK.dates()), st.integers(0, 20_000)), max_size=9
    )
)
def test_sums_are_of_those_who_are_seen_and_means_of_those_with_data(walked: dict[int, dict[date, int]]) -> None:
    people = [person(number) for number in range(1, 10)]
    hidden = {person(9).user_id}
    seen = {
        person(number).user_id: {day: Cell(steps, 1) for day, steps in days.items()}
        for number, days in walked.items()
        if number != 9
    }
    numbers = numbers_of(WEEK.dates(), people, seen, hidden)
    totals = [sum(days.values()) for number, days in walked.items() if number != 9 and days]
    assert (numbers.total, numbers.active) == (sum(totals), len(totals))
    assert numbers.mean == (int(statistics.mean(totals)) if totals else 0)
    assert sum(point.total for point in numbers.sums) == numbers.total
    assert (numbers.distribution is None) == (len(totals) < 5)
    assert [one.total for one in numbers.members if one.seen] == sorted(
        (one.total for one in numbers.members if one.seen), reverse=True
    )
    assert not numbers.members[-1].seen
    picture = group_chart(Style(), Period.WEEK, WEEK, "걷기 모임", axis=WEEK.dates(), numbers=numbers)
    assert [sum(bar.parts) for bar in picture.bars] == [point.total for point in numbers.sums]
    assert len(picture.legend) == min(len(totals), MOST_NAMED + 1)


@given(st.lists(st.integers(0, 100_000), min_size=5))
def test_quartiles_halve_the_halves(totals: list[int]) -> None:
    found = distribution(totals)
    assert found is not None
    assert found.least <= found.lower_quartile <= found.middle <= found.upper_quartile <= found.most
    assert (found.least, found.middle, found.most) == (min(totals), median(totals), max(totals))
