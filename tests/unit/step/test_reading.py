"""Which readings are taken, and why others are not."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.step.domain.day import WHOLE_DATE, to_ms
from firewalker.step.domain.reading import Counted, Outcome, Window

NOON = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)


def judge(
    now: datetime = NOON,
    *,
    device_id: str = "phone",
    date_text: str = "2026-05-20",
    slot: int = 9,
    steps: int = 100,
    recorded: datetime | None = None,
    source: int = 1,
) -> Counted | Outcome:
    return Window(now).judge(
        device_id=device_id,
        date_text=date_text,
        slot=slot,
        steps=steps,
        recorded_ms=to_ms(recorded or now),
        source=source,
        now_ms=to_ms(now),
    )


def test_a_plain_reading_is_counted() -> None:
    assert judge() == Counted(NOON.date(), "phone", 9, 100, to_ms(NOON), 1, late=False)


@pytest.mark.requirement("DATA-22")
@pytest.mark.parametrize(
    ("now", "date_text", "expected"),
    [
        # Today at UTC+14 is allowed from 10:00 UTC on.
        ("2026-05-20T09:59:59", "2026-05-21", Outcome.DATE_IN_FUTURE),
        ("2026-05-20T10:00:00", "2026-05-21", None),
        ("2026-05-20T10:00:00", "2026-05-22", Outcome.DATE_IN_FUTURE),
        # 7 days before today at UTC-12, which is yesterday until 12:00 UTC.
        ("2026-05-20T11:59:59", "2026-05-12", None),
        ("2026-05-20T12:00:00", "2026-05-12", Outcome.DATE_TOO_OLD),
        ("2026-05-20T12:00:00", "2026-05-13", None),
        # A leap day.
        ("2028-03-01T00:00:00", "2028-02-29", None),
        ("2027-03-01T00:00:00", "2027-02-29", Outcome.INVALID_READING),
    ],
)
def test_dates_are_judged_by_what_is_today_somewhere_on_earth(
    now: str, date_text: str, expected: Outcome | None
) -> None:
    verdict = judge(datetime.fromisoformat(now).replace(tzinfo=UTC), date_text=date_text)
    assert verdict == expected if expected else isinstance(verdict, Counted)


@pytest.mark.parametrize("text", ["", "today", "2026-5-20", "20260520", "2026-W21-3", "2026-05-20 ", "٢٠٢٦-05-20"])
def test_what_is_no_date_is_invalid(text: str) -> None:
    assert judge(date_text=text) is Outcome.INVALID_READING


@pytest.mark.parametrize("device_id", ["", "x" * 65, "phone\n", "전화", "a\0b", "\x7f"])
def test_a_device_id_is_1_to_64_printable_ascii_characters(device_id: str) -> None:
    assert judge(device_id=device_id) is Outcome.INVALID_READING
    assert isinstance(judge(device_id="x" * 64), Counted)


@pytest.mark.parametrize(
    ("slot", "steps", "expected"),
    [
        (0, 0, None),
        (23, 15_000, None),
        (23, 15_001, Outcome.STEPS_IMPLAUSIBLE),
        (WHOLE_DATE, 100_000, None),
        (WHOLE_DATE, 100_001, Outcome.STEPS_IMPLAUSIBLE),
        (9, -1, Outcome.INVALID_READING),
        (-1, 1, Outcome.INVALID_READING),
        (25, 1, Outcome.INVALID_READING),
    ],
)
def test_counts_have_bounds(slot: int, steps: int, expected: Outcome | None) -> None:
    verdict = judge(slot=slot, steps=steps)
    assert verdict == expected if expected else isinstance(verdict, Counted)


def test_an_unknown_source_is_invalid() -> None:
    assert judge(source=5) is Outcome.INVALID_READING


def test_a_clock_may_be_two_minutes_ahead_and_is_then_taken_for_now() -> None:
    ahead = judge(recorded=NOON + timedelta(minutes=2))
    assert isinstance(ahead, Counted)
    assert ahead.recorded_ms == to_ms(NOON)
    assert judge(recorded=NOON + timedelta(minutes=2, milliseconds=1)) is Outcome.RECORDED_IN_FUTURE


def test_nothing_of_a_date_was_recorded_before_it_began() -> None:
    early = judge(recorded=datetime(1970, 1, 1, tzinfo=UTC))
    assert isinstance(early, Counted)
    assert early.recorded_ms == to_ms(datetime(2026, 5, 19, 10, tzinfo=UTC))


@given(st.integers(0, 47))
def test_finality_needs_the_zone_only_between_the_first_and_the_last_on_earth(hour: int) -> None:
    now = datetime(2026, 5, 20, tzinfo=UTC) + timedelta(hours=hour)
    window = Window(now)
    day = datetime(2026, 5, 20, tzinfo=UTC).date()
    assert (day in window.ambiguous) == (hour >= 22)
    assert not window.days["2026-05-20"].late
    assert window.days["2026-05-18"].late


def test_a_window_is_good_for_the_utc_hour() -> None:
    assert Window(NOON).until_ms == Window(NOON + timedelta(minutes=59)).until_ms == to_ms(NOON + timedelta(hours=1))
