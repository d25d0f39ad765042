"""What is in a picture: bars, gaps and words; and that the process that draws makes files of the size asked for."""

import json
import struct
from dataclasses import replace
from datetime import date, timedelta
from io import BytesIO
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from firewalker.step.charts.worker import serve
from firewalker.step.domain.chart import Bar, Chart, Style, my_chart
from firewalker.step.domain.goal import Goals
from firewalker.step.domain.period import Period, span_of
from firewalker.step.domain.stats import by_date, by_hour, summary

TODAY = date(2026, 3, 4)
GOALS = Goals(((date(2026, 1, 1), 8_000), (TODAY, 10_000)), shared=False)
TOTALS = {TODAY - timedelta(days=ago): 9_000 for ago in range(60) if ago % 3}


def chart(period: Period, style: Style = Style()) -> Chart:  # noqa: B008 - a value
    span = span_of(period, TODAY)
    series = by_hour(TODAY, [0] * 9 + [700] + [0] * 15, 500) if period is Period.DAY else by_date(span, TOTALS, GOALS)
    return my_chart(style, period, span, series, summary(span, TOTALS))


def drawn(*charts: Chart) -> list[bytes]:
    """The files that the drawing process makes, here without a process."""
    asked = [json.dumps(one.as_json()).encode() for one in charts]
    answers = BytesIO()
    serve(BytesIO(b"".join(struct.pack(">I", len(one)) + one for one in asked)), answers)
    answers.seek(0)
    files = []
    while head := answers.read(5):
        failed, length = struct.unpack(">BI", head)
        content = answers.read(length)
        assert not failed, content.decode()
        files.append(content)
    return files


def test_a_missing_day_is_a_gap_and_the_goal_is_that_of_each_date() -> None:
    week = chart(Period.WEEK)
    assert week.bars[:3] == (
        Bar("월", (9_000,), 8_000, reached=True), Bar("화", (9_000,), 8_000, reached=True), Bar("수", (), 10_000),
    )  # fmt: skip
    assert (week.title, week.subtitle) == ("2026년 3월 2일\N{EN DASH}8일", "합계 18,000 · 하루 평균 9,000")


def test_a_year_is_drawn_by_month_and_a_day_by_hour() -> None:
    year = chart(Period.YEAR, Style(locale="en"))
    assert [bar.label for bar in year.bars] == list("JFMAMJJASOND")
    assert [bool(bar.parts) for bar in year.bars] == [True] * 3 + [False] * 9
    day = chart(Period.DAY, Style(locale="en"))
    assert (day.title, day.cumulative, len(day.bars)) == ("Wed, 4 Mar 2026", True, 24)
    assert [bar.label for bar in day.bars if bar.label] == ["00:00", "06:00", "12:00", "18:00"]


def test_the_goal_of_a_month_is_that_of_its_days_with_a_goal() -> None:
    span = span_of(Period.YEAR, TODAY)
    totals = {date(2026, 2, day): 9_000 for day in range(1, 29)}
    goals = Goals(((date(2026, 2, 28), 8_000),), shared=False)
    year = my_chart(Style(), Period.YEAR, span, by_date(span, totals, goals), summary(span, totals))
    assert [bar.goal for bar in year.bars[:3]] == [0, 8_000, 0]


def test_weeks_over_the_turn_of_a_month_name_both() -> None:
    span = span_of(Period.WEEK, date(2026, 2, 26))
    nothing = summary(span, {})
    assert my_chart(Style(), Period.WEEK, span, [], nothing).title == "2026년 2월 23일\N{EN DASH}3월 1일"
    assert my_chart(Style(locale="en"), Period.WEEK, span, [], nothing).title == "23 Feb\N{EN DASH}1 Mar 2026"


def test_pictures_have_the_size_asked_for_and_no_text_that_needs_a_font() -> None:
    styles = [Style("png", 360, 240), Style("png", 1_920, 1_080, dark=True), Style("svg", 480, 300, locale="en")]
    empty = my_chart(
        Style("png"), Period.MONTH, span_of(Period.MONTH, TODAY), [], summary(span_of(Period.MONTH, TODAY), {})
    )
    small, large, vector, nothing, again = drawn(*(chart(Period.MONTH, style) for style in styles), empty, chart(Period.MONTH, styles[0]))  # fmt: skip
    for picture, size in ((small, (360, 240)), (large, (1_920, 1_080)), (nothing, (360, 240))):
        assert picture.startswith(b"\x89PNG")
        assert struct.unpack(">II", picture[16:24]) == size
    assert again == small
    root = ET.fromstring(vector)  # noqa: S314 - made here
    assert (root.attrib["width"], root.attrib["height"]) == ("360pt", "225pt")  # to browsers 480 by 300 pixels
    assert not root.findall(".//{http://www.w3.org/2000/svg}text")


def test_what_is_written_stays_within_the_picture() -> None:
    names = ("WWWWWWWWW…", "걷는사람이름열글자임", "Verylongn…", "ann", "bora", "그 외 13명")
    bars = (Bar("월", (1_200_000,) * len(names)), Bar("화", (0,) * len(names)))
    crowd = [
        Chart(
            Style("png", *size),
            "2026년 11월 23일\N{EN DASH}29일",
            "합계 1,200,000",
            bars,
            "이름이 아주 긴 모임 🔥" * 3,
            names,
        )
        for size in ((240, 160), (360, 240), (720, 480), (1_920, 1_080))
    ]
    for picture in drawn(*crowd, chart(Period.WEEK, Style("png", 720, 480))):
        image = Image.open(BytesIO(picture)).convert("RGB")
        for side in ((0, 0, 2, image.height), (image.width - 2, 0, image.width, image.height)):
            assert image.crop(side).getcolors() == [(2 * image.height, (255, 255, 255))]


@pytest.mark.parametrize(
    "name", ["$$", r"$\foo$ club", "🏃🏽 club", "1\ufe0f\N{COMBINING ENCLOSING KEYCAP}", "\U0001faef"]
)
def test_any_name_of_a_group_can_be_drawn(name: str) -> None:
    (picture,) = drawn(replace(chart(Period.WEEK), name=name))  # a letter that no font has would be a warning
    assert picture


def test_korean_is_drawn_from_the_font_of_the_package() -> None:
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib import font_manager  # noqa: PLC0415

    from firewalker.step.charts import draw  # noqa: F401, PLC0415 - finds its fonts

    found = font_manager.findfont(font_manager.FontProperties(family=mpl.rcParams["font.family"]))
    assert "koreanize_matplotlib" in found


@pytest.mark.parametrize("period", Period)
@pytest.mark.parametrize("locale", ["ko", "en"])
def test_every_kind_of_picture_can_be_drawn(period: Period, locale: str) -> None:
    (picture,) = drawn(chart(period, Style("png", locale=locale)))
    assert len(picture) > 2_000
