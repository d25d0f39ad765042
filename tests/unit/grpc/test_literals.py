"""Hand-made HPACK literals and budgets."""

from hpack.hpack import Decoder
from hypothesis import given
from hypothesis import strategies as st

from firewalker.runtime.grpc.budget import Budget
from firewalker.runtime.grpc.wire import _literal
from tests.support.clock import FakeClock

NAMES = st.from_regex(rb"[a-z0-9-]{1,200}", fullmatch=True)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=400)), max_size=5))
def test_literals_decode_to_what_they_were_and_leave_the_table_empty(headers: list[tuple[bytes, bytes]]) -> None:
    headers = [(b":status", b"200"), *headers]
    decoder = Decoder()
    decoded = decoder.decode(b"".join(_literal(name, value) for name, value in headers), raw=True)
    assert [tuple(header) for header in decoded] == headers
    assert len(decoder.header_table.dynamic_entries) == 0


def test_a_budget_allows_its_burst_and_then_its_rate() -> None:
    clock = FakeClock()
    budget = Budget(3, 2, clock.monotonic)
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]
    clock.advance(1)
    assert [budget.spend() for _ in range(3)] == [True, True, False]


def test_progress_gives_back_and_never_more_than_the_burst() -> None:
    budget = Budget(3, 0, FakeClock().monotonic)
    budget.spend()
    budget.progress()
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]


def test_a_budget_that_rested_for_long_has_one_burst_and_not_two() -> None:
    clock = FakeClock()
    budget = Budget(100, 10, clock.monotonic)
    clock.advance(3_600)
    spent = 0
    while budget.spend():
        spent += 1
    assert 100 <= spent <= 111


def test_who_has_spent_a_tenth_is_low_until_it_has_come_back() -> None:
    clock = FakeClock()
    budget = Budget(100, 10, clock.monotonic)
    spent = 0
    while not budget.is_low():
        assert budget.spend()
        spent += 1
    assert spent == 11
    clock.advance(1)
    assert not budget.is_low()
