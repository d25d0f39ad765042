"""Identifiers."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.kernel.ids import new_uuid7, new_uuid7_at, parse_uuid


@given(st.integers(0, 2**48 - 1))
def test_an_id_carries_its_time_version_and_variant(unix_ms: int) -> None:
    made = new_uuid7(unix_ms)
    assert (made.int >> 80, made.version, made.variant) == (unix_ms, 7, "specified in RFC 4122")


def test_an_id_of_an_instant_carries_its_millisecond() -> None:
    at = datetime(2026, 5, 20, 11, 0, 0, 123_999, tzinfo=UTC)
    assert new_uuid7_at(at).int >> 80 == 1_779_274_800_123


def test_a_later_id_sorts_behind_an_earlier_one() -> None:
    assert new_uuid7(1_000).bytes < new_uuid7(1_001).bytes


def test_ids_of_one_millisecond_differ() -> None:
    assert len({new_uuid7(1_000) for _ in range(1_000)}) == 1_000


def test_an_id_is_read_back_from_its_text_in_either_case() -> None:
    some = uuid4()
    assert parse_uuid(str(some)) == parse_uuid(str(some).upper()) == some


@pytest.mark.parametrize("spelling", ["{{{}}}", "urn:uuid:{}", " {}", "{}\n", "{}0"])
def test_an_id_has_one_spelling(spelling: str) -> None:
    assert parse_uuid(spelling.format(uuid4())) is None


@pytest.mark.parametrize("text", ["", "1", UUID(int=5).hex, "00000000-0000-0000-0000-00000000000g"])
def test_anything_else_is_no_id(text: str) -> None:
    assert parse_uuid(text) is None
