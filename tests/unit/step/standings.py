"""Standings for tests: people by number, and the obvious way of making a board, as an oracle."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from hypothesis import strategies as st

from firewalker.step.domain.circle import Person
from firewalker.step.domain.leaderboard import (
    Freshness,
    Row,
    Standing,
    State,
    as_seen,
    no_data,
    ranked,
)
from firewalker.step.domain.visibility import Visibility

NOW_MS = 1_800_000_000_000


def person(number: int, nickname: str = "") -> Person:
    user = UUID(int=number)
    return Person(user.bytes, str(user), nickname or f"walker {number}")


def standing(number: int, steps: int, reached_ms: int = 0, age_ms: int = 0) -> Standing:
    return ranked(person(number), steps, reached_ms, NOW_MS - age_ms, NOW_MS)


def standings(numbers: st.SearchStrategy[int]) -> st.SearchStrategy[Standing]:
    """Few different values, so that ties and equal states are common."""
    walked = st.builds(
        standing,
        numbers,
        st.sampled_from([0, 1, 2, 3, 499, 500, 501]),
        st.integers(0, 2),
        st.sampled_from([0, 200_000, 4_000_000]),
    )
    return st.one_of(
        walked,
        st.builds(lambda number: no_data(person(number)), numbers),
        st.builds(as_seen, walked, st.sampled_from(Visibility)),
    )


def naive_board(standings_of_all: Iterable[Standing]) -> list[Row]:
    """Says every rule out loud, with no regard to speed."""
    everybody = list(standings_of_all)
    with_rank = [one for one in everybody if one.state is State.RANKED]
    without = [one for one in everybody if one.state is not State.RANKED]
    with_rank.sort(key=lambda one: (-steps(one), one.reached_ms, one.person.text_id))
    without.sort(key=lambda one: one.person.text_id)
    return [
        *(Row(1 + sum(steps(other) > steps(one) for other in with_rank), one) for one in with_rank),
        *(Row(0, one) for one in without),
    ]


def looks(rows: Iterable[Row]) -> dict[bytes, tuple[object, ...]]:
    """What is shown of each row, by user."""
    return {
        row.standing.user_id: (row.rank, row.standing.steps, row.standing.state, row.standing.freshness) for row in rows
    }


def steps(one: Standing) -> int:
    return -one.behind


def ranks(rows: Sequence[Row]) -> list[int]:
    return [row.rank for row in rows]


__all__ = ["NOW_MS", "Freshness", "looks", "naive_board", "person", "ranks", "standing", "standings", "steps"]
