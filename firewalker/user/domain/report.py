"""What one user tells the people who run the service of another."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from firewalker.kernel.ids import UserId

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
