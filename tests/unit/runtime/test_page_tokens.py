import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.kernel.faults import PageTokenInvalid
from firewalker.runtime.page_tokens import PageTokens

TOKENS = PageTokens(bytes(32))
TOKEN = TOKENS.seal("friends", "abc")


@given(query=st.text(), cursor=st.text())
def test_a_token_gives_its_cursor_back_for_its_query(query: str, cursor: str) -> None:
    token = TOKENS.seal(query, cursor)
    assert TOKENS.open(query, token) == cursor
    assert token.replace("-", "").replace("_", "").isalnum()


def test_no_token_is_the_first_page() -> None:
    assert TOKENS.open("friends", "") is None


@given(query=st.text(), other=st.text())
def test_a_token_is_of_no_use_for_another_query(query: str, other: str) -> None:
    if query != other:
        with pytest.raises(PageTokenInvalid):
            TOKENS.open(other, TOKENS.seal(query, "cursor"))


@given(garbage=st.text(min_size=1) | st.binary(min_size=1).map(lambda raw: raw.decode("latin-1")))
def test_garbage_is_refused(garbage: str) -> None:
    with pytest.raises(PageTokenInvalid):
        TOKENS.open("friends", garbage)


@given(st.data())
def test_any_changed_character_is_noticed(data: st.DataObject) -> None:
    # The last character holds spare bits, which base64 ignores.
    at = data.draw(st.integers(0, len(TOKEN) - 2))
    changed = TOKEN[:at] + data.draw(st.sampled_from("AZaz09_-").filter(lambda c: c != TOKEN[at])) + TOKEN[at + 1 :]
    with pytest.raises(PageTokenInvalid):
        TOKENS.open("friends", changed)


def test_another_key_opens_nothing() -> None:
    with pytest.raises(PageTokenInvalid):
        PageTokens(os.urandom(32)).open("friends", TOKENS.seal("friends", "abc"))


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_has_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        PageTokens(bytes(size))
