"""Rows of `user_report`: what users tell of others, and what operators have dealt with."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.account import AccountState
from firewalker.user.domain.report import Kept, Reason, Report, Reported
from firewalker.user.store.columns import uuid_of

_ADD = """
    INSERT INTO user_report (report_id, reporter_id, user_id, reason, text, create_time)
    VALUES (%(report_id)s, %(reporter)s, %(user)s, %(reason)s, %(text)s, %(at)s)
"""

_LIST_REPORTED = """
    SELECT user.user_id, nickname, state, COUNT(*), COUNT(DISTINCT reporter_id), MAX(user_report.create_time) AS newest
    FROM user_report
    JOIN user ON user.user_id = user_report.user_id
    JOIN account ON account.user_id = user_report.user_id
    WHERE close_time IS NULL
    GROUP BY user.user_id, nickname, state
    ORDER BY newest DESC, user.user_id LIMIT %(rows)s
"""  # user_report_open, then the primary keys of both

_COUNT_REASONS = """
    SELECT user_id, reason, COUNT(*) FROM user_report
    WHERE close_time IS NULL AND user_id IN ({places})
    GROUP BY user_id, reason ORDER BY COUNT(*) DESC, reason
"""  # user_report_open

_LIST_OF = """
    SELECT report_id, reporter_id, nickname, reason, text, user_report.create_time, close_time, closed_by
    FROM user_report LEFT JOIN user ON user.user_id = reporter_id
    WHERE user_report.user_id = %(user)s
    ORDER BY user_report.create_time DESC, report_id LIMIT %(rows)s
"""  # user_report_of_user, then the primary key of user

_CLOSE = """
    UPDATE user_report SET close_time = %(at)s, closed_by = %(operator)s
    WHERE report_id = %(report_id)s AND close_time IS NULL
"""  # primary key

_CLOSE_OF = """
    UPDATE user_report SET close_time = %(at)s, closed_by = %(operator)s
    WHERE user_id = %(user)s AND close_time IS NULL
"""  # user_report_open

_IS_KEPT = "SELECT 1 FROM user_report WHERE report_id = %(report_id)s"
# primary key


async def add(tx: Transaction, report_id: UUID, report: Report) -> None:
    """Keep a report."""
    await tx.execute(
        _ADD,
        {
            "report_id": report_id,
            "reporter": report.reporter,
            "user": report.user,
            "reason": report.reason,
            "text": report.text,
            "at": report.at,
        },
    )


async def list_reported(tx: Transaction, rows: int) -> Sequence[Reported]:
    """At most *rows* users of whom there are open reports, who was reported last first."""
    found = await tx.all(_LIST_REPORTED, {"rows": rows})
    reasons = await _count_reasons(tx, [UserId(uuid_of(user)) for user, *_ in found])
    return [
        Reported(
            user_id := UserId(uuid_of(user)), nickname, AccountState(state), count, people, reasons[user_id], newest
        )
        for user, nickname, state, count, people, newest in found
    ]


async def list_of(tx: Transaction, user: UserId, rows: int) -> Sequence[Kept]:
    """At most *rows* of the reports of *user*, open and closed, the newest first."""
    return [
        Kept(
            uuid_of(report_id),
            Report(UserId(uuid_of(reporter)), user, Reason(reason), text, at),
            nickname or "",
            close_time,
            closed_by or "",
        )
        for report_id, reporter, nickname, reason, text, at, close_time, closed_by in await tx.all(
            _LIST_OF, {"user": user, "rows": rows}
        )
    ]


async def close(tx: Transaction, report_id: UUID, operator: str, at: datetime) -> bool | None:
    """Note that a report was dealt with; False if that was noted before, None if there is no such report."""
    if await tx.execute(_CLOSE, {"report_id": report_id, "operator": operator, "at": at}):
        return True
    return None if await tx.find(_IS_KEPT, {"report_id": report_id}) is None else False


async def close_of(tx: Transaction, user: UserId, operator: str, at: datetime) -> int:
    """Note that all open reports of *user* were dealt with, and tell how many they are."""
    return await tx.execute(_CLOSE_OF, {"user": user, "operator": operator, "at": at})


async def _count_reasons(tx: Transaction, users: Collection[UserId]) -> Mapping[UserId, Mapping[Reason, int]]:
    counts: dict[UserId, dict[Reason, int]] = {user: {} for user in users}
    if users:
        places = ",".join(["%s"] * len(users))
        for user, reason, count in await tx.all(_COUNT_REASONS.format(places=places), list(users)):
            counts[UserId(uuid_of(user))][Reason(reason)] = count
    return counts
