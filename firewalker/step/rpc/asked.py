"""Reading fields of requests of hot doors: every one that is wrong is told of, not just the first."""

from collections.abc import Container
from datetime import date
from typing import Any, Final
from uuid import UUID

from firewalker.kernel.days import parse_date
from firewalker.kernel.faults import InvalidRequest, Violation
from firewalker.kernel.ids import parse_uuid
from firewalker.runtime.grpc.messages import message_class
from firewalker.step.domain.chart import DEFAULT_HEIGHT, DEFAULT_WIDTH, HEIGHTS, WIDTHS, Style
from firewalker.step.domain.chart_words import LOCALES
from firewalker.step.domain.group import GroupId
from firewalker.step.domain.period import Period

_Chart = message_class("firewalker.step.v1.Chart")

_FORMATS: Final = {0: "svg", _Chart.SVG: "svg", _Chart.PNG: "png"}
_DARK: Final = {0: False, _Chart.LIGHT: False, _Chart.DARK: True}
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

    def group_id(self) -> GroupId:
        """The field `group_id`."""
        found = parse_uuid(self._request.group_id)
        if found is None:
            self.refuse("group_id", "must be a UUID of 36 characters")
        return GroupId(found or UUID(int=0))

    def style(self) -> Style:
        """The fields `format`, `width`, `height`, `theme` and `locale`."""
        request = self._request
        width, height = request.width or DEFAULT_WIDTH, request.height or DEFAULT_HEIGHT
        if width not in WIDTHS:
            self.refuse("width", f"must be {WIDTHS[0]} to {WIDTHS[-1]}")
        if height not in HEIGHTS:
            self.refuse("height", f"must be {HEIGHTS[0]} to {HEIGHTS[-1]}")
        if request.format not in _FORMATS:
            self.refuse("format", "must be SVG or PNG")
        if request.theme not in _DARK:
            self.refuse("theme", "must be LIGHT or DARK")
        locale = request.locale or LOCALES[0]
        if locale not in LOCALES:
            self.refuse("locale", f"must be {' or '.join(LOCALES)}")
        return Style(_FORMATS.get(request.format, ""), width, height, _DARK.get(request.theme, False), locale)

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
