"""One group against a naive model: same outcomes, same counts, and what is to be stored brings a table to the same state."""

import asyncio
from collections.abc import Iterator
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.step.domain.day import SLOTS, UserTotal
from firewalker.step.domain.reading import Counted, Outcome
from firewalker.step.ingest.group import MOST_SHAPES, Group, Message
from firewalker.step.ingest.known import DeviceDay
from firewalker.step.store.keys import DeviceDate

DAYS = [date(2026, 5, 19), date(2026, 5, 20)]
USERS = [bytes([n]) * 16 for n in range(4)]
NOW_MS = 1_800_000_000_000

readings = st.builds(
    Counted,
    date=st.sampled_from(DAYS),
    device_id=st.sampled_from(["phone", "watch"]),
    slot=st.integers(0, SLOTS - 1),
    steps=st.integers(0, 50),
    recorded_ms=st.integers(NOW_MS - 1_000, NOW_MS),
    source=st.just(1),
    late=st.just(value=False),
)
messages = st.lists(st.tuples(st.sampled_from(USERS), st.lists(readings, max_size=8)), max_size=30)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@given(st.lists(messages, min_size=1, max_size=4))
def test_groups_do_what_one_reading_after_the_other_would(
    loop: asyncio.AbstractEventLoop, groups: list[list[tuple[bytes, list[Counted]]]]
) -> None:
    known: dict[DeviceDate, DeviceDay] = {}
    table: dict[DeviceDate, list[int]] = {}
    model: dict[DeviceDate, list[int]] = {}
    for some in groups:
        group = Group([Message(user, taken, loop.create_future(), 0.0) for user, taken in some], NOW_MS)
        for key in group.device_days():
            known.setdefault(key, DeviceDay(*key))
        group.learn({key: known[key] for key in group.device_days()})
        group.merge()
        statements = list(group.rises())
        assert len(statements) <= MOST_SHAPES
        for slots, rises in statements:
            assert list(slots) == sorted(slots)
            for rise in rises:
                row = table.setdefault((rise.user, rise.date, rise.device_id), [0] * SLOTS)
                for slot, count in zip(slots, rise.counts, strict=True):
                    row[slot] = max(row[slot], count)
        group.settle()
        assert all(day.risen == 0 for day in known.values())
        group.finish({key: UserTotal(7, 0, 0) for key in group.named})
        for message, (user, taken) in zip(group.messages, some, strict=True):
            expected = []
            for reading in taken:
                key = user, reading.date, reading.device_id
                news = key not in model or reading.steps > model[key][reading.slot]
                row = model.setdefault(key, [0] * SLOTS)
                row[reading.slot] = max(row[reading.slot], reading.steps)
                expected.append(Outcome.ACCEPTED if news else Outcome.UNCHANGED)
            answer = message.done.result()
            assert answer.outcomes == expected
            assert answer.totals == dict.fromkeys([reading.date for reading in taken], 7)
    assert table == model


def test_a_waiter_that_has_left_is_passed_over(loop: asyncio.AbstractEventLoop) -> None:
    stays, left = loop.create_future(), loop.create_future()
    left.cancel()
    group = Group([Message(USERS[0], [], left, 0.0), Message(USERS[0], [], stays, 0.0)], NOW_MS)
    group.merge()
    group.finish({})
    assert stays.result().outcomes == []


def test_the_first_reading_in_time_makes_a_device_day_count(loop: asyncio.AbstractEventLoop) -> None:
    """The day became FINAL while the group gathered."""
    taken = [Counted(DAYS[0], "phone", 9, steps, NOW_MS, 1, late) for steps, late in ((10, False), (20, True))]
    group = Group([Message(USERS[0], taken, loop.create_future(), 0.0)], NOW_MS)
    group.learn({key: DeviceDay(*key) for key in group.device_days()})
    group.merge()
    ((_, (rise,)),) = group.rises()
    assert not rise.late
    assert group.named == {(USERS[0], DAYS[0]): False}
