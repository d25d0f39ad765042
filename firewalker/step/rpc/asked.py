"""Reading fields of requests of hot doors: every one that is wrong is told of, not just the first."""

from collections.abc import Container
from datetime import date
from typing import Any, Final

from firewalker.kernel.days import parse_date
from firewalker.kernel.faults import InvalidRequest, Violation
from firewalker.step.domain.period import Period

_PERIODS: Final = {int(period): period for period in Period}


class Asked:
    """Collects what is wrong with the fields of one upb request. Use nothing of them before `ensure_valid`."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._violations: list[Violation] = []

    def period(self, offered: Container[Period] = tuple(Period)) -> Period:
        """The field `period`, one of *offered*; DAY in disguise if it is wrong."""
        found = _PERIODS.get(self._request.period)
        if found is None or found not in offered:
            self.refuse("period", "is none that is offered here")
            return Period.DAY
        return found

    def date(self) -> date | None:
        """The field `date`; None if it was left out."""
        if not self._request.HasField("date"):
            return None
        day = parse_date(self._request.date)
        if day is None:
            self.refuse("date", "must be a date, YYYY-MM-DD")
        return day

    def refuse(self, field: str, rule: str) -> None:
        """Note that *field* breaks *rule*."""
        self._violations.append(Violation(field, rule))

    def ensure_valid(self) -> None:
        """Go on only if nothing was wrong.

        Raises:
            InvalidRequest: With every violation.
        """
        if self._violations:
            raise InvalidRequest(violations=self._violations)
