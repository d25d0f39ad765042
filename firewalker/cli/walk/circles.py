"""Who knows whom: a small world, in which most know their neighbours and some know somebody far away. Pure.

After Watts and Strogatz (Nature 393, 1998): a ring in which everybody knows the next few, and each of these ties is
moved to a random person with a small probability.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

NEXT_IN_RING = 4
"""How many of the following people in the ring everybody asks; each then has about twice as many friends."""

REWIRED = 0.2
"""Probability that a tie leads to somebody far away instead."""

MOST_ASKED_BY_ONE = 25
"""Below the 30 friend requests a day that the contract grants."""

MOST_FRIENDS_OF_THE_FIRST = 40
"""The first person, whose board is shown, knows many, so that there is something to see."""

Tie = tuple[int, int]
"""Who asks, and who is asked."""


def small_world(count: int, random: Random) -> list[Tie]:
    """Ties among people 0 to *count* - 1, each pair at most once, in the order to make them.

    Person 0 is asked by many and asks nobody.
    """
    pairs: set[frozenset[int]] = set()
    asked_by = [0] * count
    ties: list[Tie] = []

    def tie(asker: int, asked: int) -> None:
        if asker == asked or frozenset((asker, asked)) in pairs or asked_by[asker] >= MOST_ASKED_BY_ONE:
            return
        pairs.add(frozenset((asker, asked)))
        asked_by[asker] += 1
        ties.append((asker, asked))

    for asker in random.sample(range(1, count), min(count - 1, MOST_FRIENDS_OF_THE_FIRST)):
        tie(asker, 0)
    for person in range(1, count):
        for distance in range(1, NEXT_IN_RING + 1):
            far = random.random() < REWIRED
            tie(person, random.randrange(1, count) if far else (person + distance) % count)
    return ties
