"""Days that nobody believes before a person has looked: a function of what is stored, whatever the order it came in."""

from collections.abc import Sequence
from enum import IntEnum

from firewalker.step.domain.day import HOURS, WHOLE_DATE

SUSPECT_DAY = 60_000
"""A day of more steps than this is suspect (contract): about 45 km on foot."""

SUSPECT_HOUR = 12_000
"""An hour of more steps than this is, if there are `SUSPECT_HOURS` of them in a row (contract): 200 a minute."""

SUSPECT_HOURS = 3
"""Consecutive hours that make a day suspect."""

UNSUSPECTED = SUSPECT_HOURS * SUSPECT_HOUR
"""A day of at most this many steps cannot be suspect: its hours need not be looked at."""


class Verdict(IntEnum):
    """What a person has said of a suspect day; numbered as stored."""

    PENDING = 0
    """Nothing yet."""
    APPROVED = 1
    """It may well be: ranked like any other."""
    REFUSED = 2
    """It cannot be: without a rank, until the walker corrects it."""


def suspect(counts: Sequence[int]) -> bool:
    """Whether a day with these 25 merged counts has to be looked at. More steps never make it less suspect."""
    if max(sum(counts[:HOURS]), counts[WHOLE_DATE]) > SUSPECT_DAY:
        return True
    run = 0
    for steps in counts[:HOURS]:
        run = run + 1 if steps > SUSPECT_HOUR else 0
        if run == SUSPECT_HOURS:
            return True
    return False
