"""What one user tells the people who run the service of another."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

from firewalker.kernel.ids import UserId
from firewalker.user.domain.account import AccountState

MAX_REPORT_CHARACTERS = 1_000
"""Longest text of a report."""


class Reason(Enum):
    """Why a user is reported."""

    SPAM = 1
    HARASSMENT = 2
    INAPPROPRIATE = 3
    CHEATING = 4
    IMPERSONATION = 5
    OTHER = 6


@dataclass(frozen=True, slots=True)
class Report:
    """*reporter* tells of *user*."""

    reporter: UserId
    user: UserId
    reason: Reason
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """A report as those read it who run the service."""

    report_id: UUID
    report: Report
    reporter_nickname: str
    """Empty if they are being deleted."""
    close_time: datetime | None = None
    """When it was dealt with; None while it is open."""
    closed_by: str = ""
    """Which operator said so."""


@dataclass(frozen=True, slots=True)
class Reported:
    """Somebody of whom there are open reports."""

    user_id: UserId
    nickname: str
    state: AccountState
    reports: int
    reporters: int
    """How many people they are from."""
    reasons: Mapping[Reason, int]
    """How many of them say what, the most frequent first."""
    newest: datetime
