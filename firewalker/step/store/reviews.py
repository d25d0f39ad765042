"""Statements on `day_review`: suspect days, and what a person has said of them."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import NamedTuple

from firewalker.runtime.mysql import Transaction
from firewalker.step.domain.suspicion import Verdict
from firewalker.step.store.keys import UserDate, stretches

# What was said of some users' dates; primary key, one range per user and date.
_FIND = "SELECT user_id, date, verdict, revision FROM day_review WHERE {which}"

# Of a date that was corrected since it was decided, nothing is decided. Assignments run from left to right.
_NOTICE = "INSERT INTO day_review (user_id, date, revision, notice_time) VALUES"
_NOTICE_ROW = "(%s,%s,%s,%s)"
_NOTICE_TAIL = """
    ON DUPLICATE KEY UPDATE
        verdict = IF(revision < VALUES(revision), 0, verdict), revision = GREATEST(revision, VALUES(revision))
"""  # primary key

_DECIDE = """
    INSERT INTO day_review (user_id, date, notice_time, verdict, revision, reviewer, review_time)
    VALUES (%(user)s, %(day)s, %(at)s, %(verdict)s, %(revision)s, %(reviewer)s, %(at)s)
    ON DUPLICATE KEY UPDATE verdict = VALUES(verdict), revision = VALUES(revision), reviewer = VALUES(reviewer),
        review_time = VALUES(review_time)
"""  # primary key

_NOTICED = """
    SELECT user_id, date, verdict, revision, notice_time FROM day_review
    WHERE verdict = %s ORDER BY notice_time LIMIT %s
"""  # day_review_by_verdict


class Review(NamedTuple):
    """What was said of a suspect day. It counts as a revision of the date: of an earlier correction nothing was said."""

    verdict: Verdict
    revision: int


class Noticed(NamedTuple):
    """A day that was suspect at *noticed*. It may have been corrected since."""

    user: bytes
    day: date
    review: Review
    noticed: datetime


async def find(tx: Transaction, keys: Iterable[UserDate]) -> dict[UserDate, Review]:
    """What was said of *keys* (user, date); those that nobody ever suspected are left out."""
    found: dict[UserDate, Review] = {}
    for which, params in stretches(keys):
        for user, day, verdict, revision in await tx.all(_FIND.format(which=which), params):
            found[user, day] = Review(Verdict(verdict), revision)
    return found


async def notice(tx: Transaction, suspects: Mapping[UserDate, int], at: datetime) -> None:
    """Note that these users' dates are suspect, as of their revisions. What was decided of a revision stays."""
    rows = [(user, day, revision, at) for (user, day), revision in sorted(suspects.items())]
    await tx.execute_rows(_NOTICE, _NOTICE_ROW, rows, _NOTICE_TAIL)


async def decide(tx: Transaction, key: UserDate, review: Review, *, reviewer: str, at: datetime) -> None:
    """Note what *reviewer* has said."""
    user, day = key
    values = {"user": user, "day": day, "verdict": review.verdict, "revision": review.revision}
    await tx.execute(_DECIDE, {**values, "reviewer": reviewer, "at": at})


async def list_noticed(tx: Transaction, verdict: Verdict, limit: int) -> list[Noticed]:
    """The suspect days with that verdict, the longest waiting first."""
    return [
        Noticed(user, day, Review(Verdict(stored), revision), noticed)
        for user, day, stored, revision, noticed in await tx.all(_NOTICED, (verdict, limit))
    ]
