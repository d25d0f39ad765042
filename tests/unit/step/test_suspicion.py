"""Suspect days: a function of what is stored, and one that more steps never undo."""

from hypothesis import given
from hypothesis import strategies as st

from firewalker.step.domain.day import SLOTS, WHOLE_DATE, UserTotal
from firewalker.step.domain.leaderboard import State, arranged, ranked, standing_of
from firewalker.step.domain.suspicion import UNSUSPECTED, suspect
from firewalker.step.live.frames import pack_record, unpack_value
from tests.support.clock import NOON
from tests.unit.step.standings import NOW_MS, person

counts = st.lists(st.sampled_from([0, 100, 11_999, 12_000, 12_001, 15_000]), min_size=SLOTS, max_size=SLOTS)


def day_of(*hours: int, whole_day: int = 0) -> list[int]:
    return [*hours, *[0] * (24 - len(hours)), whole_day]


def test_the_limits_of_the_contract() -> None:
    assert not suspect(day_of(*[3_000] * 20))
    assert suspect(day_of(*[3_000] * 20, 1))
    assert not suspect(day_of(whole_day=60_000))
    assert suspect(day_of(whole_day=60_001))
    assert not suspect(day_of(12_001, 12_001, 12_000, 12_001))
    assert suspect(day_of(0, 12_001, 12_001, 12_001))


@given(counts, st.integers(0, SLOTS - 1))
def test_more_steps_never_make_a_day_less_suspect(some: list[int], slot: int) -> None:
    more = list(some)
    more[slot] += 5_000
    assert suspect(more) >= suspect(some)
    if suspect(some):
        assert max(sum(some[:WHOLE_DATE]), some[WHOLE_DATE]) > UNSUSPECTED


totals = st.builds(UserTotal, st.integers(0, 200_000), st.integers(0, 3), st.just(0), st.integers(0, 2), st.booleans())


@given(totals, totals)
def test_redis_orders_totals_as_python_does(one: UserTotal, other: UserTotal) -> None:
    """The script compares packed revisions and totals as numbers: what is held has to count as more there too."""

    def packed(total: UserTotal) -> tuple[bytes, bytes]:
        value = pack_record(bytes(16), 0, total)[16:]
        assert unpack_value(value, 0) == total
        return value[:2], value[2:5]

    winner = one.merged(other)
    assert packed(winner) == max(packed(one), packed(other))
    assert winner == other.merged(one)


def test_what_is_held_is_shown_without_a_rank() -> None:
    held = standing_of(person(1), NOON.date(), UserTotal(70_000, 0, NOW_MS, held=True), NOW_MS)
    rows = arranged([held, ranked(person(2), 10, 0, NOW_MS, NOW_MS), standing_of(person(3), NOON.date(), None, NOW_MS)])
    assert [(row.rank, row.standing.state) for row in rows] == [
        (1, State.RANKED),
        (0, State.UNDER_REVIEW),
        (0, State.NO_DATA),
    ]
