"""The words in a picture, in Korean and English. What it shows besides is `chart`'s."""

from datetime import date
from typing import NamedTuple

from firewalker.step.domain.period import Period, Span

LOCALES = ("ko", "en")
"""The first one is for whoever asks for none."""

_FIRST_WEEK_DAYS = 7
_DASH = "\N{EN DASH}"


class Words(NamedTuple):
    """What is written beside numbers."""

    goal: str
    total: str
    average: str
    others: str
    none: str
    weekdays: tuple[str, ...]
    months: tuple[str, ...]


WORDS = {
    "ko": Words(
        "목표", "합계", "하루 평균", "그 외 {}명", "기록 없음", tuple("월화수목금토일"), tuple(map(str, range(1, 13)))
    ),
    "en": Words(
        "goal", "total", "a day", "{} more", "no data",
        ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    ),
}  # fmt: skip


def title_of(locale: str, period: Period, span: Span) -> str:
    """The period in words."""
    return _korean(period, *span) if locale == "ko" else _english(period, *span)


def label_of(locale: str, period: Period, day: date, hour: int = -1) -> str:
    """What stands below a bar: every weekday, every sixth hour, every seventh day of a month; empty for nothing."""
    if period is Period.DAY and hour < 0:
        return f"{day.day}"
    if period is Period.DAY:
        return "" if hour % 6 else (f"{hour}시" if locale == "ko" else f"{hour:02d}:00")
    if period is Period.WEEK:
        return WORDS[locale].weekdays[day.weekday()]
    return "" if (day.day - 1) % _FIRST_WEEK_DAYS else f"{day.day}"


def month_label(locale: str, month: int) -> str:
    """What stands below a month's bar."""
    name = WORDS[locale].months[month - 1]
    return name if locale == "ko" else name[0]


def _korean(period: Period, first: date, last: date) -> str:
    month = f"{first.year}년 {first.month}월"
    match period:
        case Period.DAY:
            return f"{month} {first.day}일 ({WORDS['ko'].weekdays[first.weekday()]})"
        case Period.WEEK:
            end = f"{last.day}일" if last.month == first.month else f"{last.month}월 {last.day}일"
            return f"{month} {first.day}일{_DASH}{end}"
        case Period.MONTH:
            return month
        case Period.YEAR:
            return f"{first.year}년"


def _english(period: Period, first: date, last: date) -> str:
    words = WORDS["en"]
    month = words.months[first.month - 1]
    match period:
        case Period.DAY:
            return f"{words.weekdays[first.weekday()]}, {first.day} {month} {first.year}"
        case Period.WEEK:
            begin = f"{first.day}" if last.month == first.month else f"{first.day} {month}"
            return f"{begin}{_DASH}{last.day} {words.months[last.month - 1]} {last.year}"
        case Period.MONTH:
            return f"{month} {first.year}"
        case Period.YEAR:
            return f"{first.year}"
