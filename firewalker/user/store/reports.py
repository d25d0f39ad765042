"""Rows of `user_report`: what users tell of others."""

from uuid import UUID

from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.report import Report

_ADD = """
    INSERT INTO user_report (report_id, reporter_id, user_id, reason, text, create_time)
    VALUES (%(report_id)s, %(reporter)s, %(user)s, %(reason)s, %(text)s, %(at)s)
"""


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
