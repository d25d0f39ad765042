"""Refresh tokens: authentic or not, and nothing in between."""

import base64
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.kernel.ids import SessionId, new_uuid7
from firewalker.user.domain.refresh_token import RefreshKeys

KEYS = RefreshKeys([bytes(range(32))])
SESSION = SessionId(new_uuid7())
SESSIONS = st.uuids().map(SessionId)
GENERATIONS = st.integers(1, 2**32 - 1)


@given(SESSIONS, GENERATIONS)
def test_what_is_issued_is_read_back(session: SessionId, generation: int) -> None:
    token = KEYS.issue(session, generation)
    assert KEYS.open(token.text) == token
    assert token.text.isascii()


@pytest.mark.requirement("AUTH-10")
def test_a_token_carries_256_bits_that_its_hash_and_its_names_do_not_tell() -> None:
    token = KEYS.issue(SESSION, 1)
    assert len(token.secret) == 32
    assert token.secret not in (token.hash, token.key_id)
    assert token.secret.hex() not in repr(token)
    assert token.text not in repr(token)
    assert token.text not in str(token)


@pytest.mark.requirement("AUTH-11")
@given(SESSIONS, GENERATIONS)
def test_the_same_generation_is_always_the_same_token(session: SessionId, generation: int) -> None:
    assert RefreshKeys([bytes(range(32))]).issue(session, generation).text == KEYS.issue(session, generation).text


@given(st.text(max_size=120))
def test_any_text_is_refused_quietly(text: str) -> None:
    assert KEYS.open(text) is None


@given(st.binary(min_size=56, max_size=56))
def test_any_bytes_in_the_right_shape_are_refused(raw: bytes) -> None:
    assert KEYS.open("fwr1_" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()) is None


@given(st.integers(0, 79), st.characters(codec="ascii"))
def test_one_changed_character_makes_it_a_forgery(place: int, character: str) -> None:
    text = KEYS.issue(SESSION, 7).text
    changed = text[:place] + character + text[place + 1 :]
    assert (KEYS.open(changed) is None) is (changed != text)


def test_another_key_makes_another_token() -> None:
    other = RefreshKeys([bytes(32)])
    assert other.open(KEYS.issue(SESSION, 1).text) is None


def test_a_newer_key_makes_the_new_ones_and_the_older_still_counts() -> None:
    old, new = bytes(range(32)), bytes(range(1, 33))
    both = RefreshKeys([new, old])
    before = RefreshKeys([old]).issue(SESSION, 3)
    assert both.open(before.text) == before
    assert both.issue(SESSION, 4) == RefreshKeys([new]).issue(SESSION, 4)
    assert both.issue(SESSION, 3, before.key_id) == before


@pytest.mark.parametrize("roots", [[], [b"short"], [bytes(32), bytes(31)]])
def test_weak_keys_are_refused_at_the_start(roots: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        RefreshKeys(roots)


@pytest.mark.parametrize("generation", [0, -1, 2**32])
def test_a_generation_that_cannot_be_is_a_bug(generation: int) -> None:
    with pytest.raises(ValueError, match="generation"):
        KEYS.issue(SessionId(UUID(int=1)), generation)
