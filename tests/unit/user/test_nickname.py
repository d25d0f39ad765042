"""Nicknames: which there are, and which are as good as the same."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.user.domain.nickname import parse_nickname


@pytest.mark.parametrize(
    "text",
    [
        "지수",
        "walker-001",
        "Bora Kim",
        "x1",
        "Łukasz",
        "Zoë",
        "Mr.Å",
        "a_b-c.d",
        "김_철수 2",
        "ß1",
        "Abcdefghijklmnopqrst",
    ],
)
def test_good_names_are_taken_as_they_are(text: str) -> None:
    name = parse_nickname(text)
    assert name is not None
    assert name.text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        " a ",
        "x" * 21,
        "x" * 5000,
        "_ab",
        "ab_",
        "a__b",
        "a. b",
        "ㅋㅋ",
        "ab\n",
        "a\x00b",
        "a\u200bb",
        "a\u202eb",
        "раураl",  # noqa: RUF001 - Cyrillic on purpose
        "αβγ",
        "٣٤",
        "🚶🚶",
        "q̃q̃",
        "a@b",
        "ǃǃ",  # noqa: RUF001 - a click letter on purpose
    ],
)
def test_other_names_are_refused(text: str) -> None:
    assert parse_nickname(text) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jisu", "jisu"),
        ("지수", unicodedata.normalize("NFD", "지수")),
        ("Zoë", "zoe"),
        ("walker", "wa1ker"),
        ("walker", "waIker"),
        ("bob_0", "BobO"),
        ("modern", "modem"),
        ("wave", "vvave"),
        ("a.b-c", "abc"),
        ("Ｊｉｓｕ", "jisu"),  # noqa: RUF001 - full width on purpose
        ("Straße", "strasse"),
        ("İpek", "ipek"),
    ],
)
def test_look_alikes_are_the_same(one: str, other: str) -> None:
    left, right = parse_nickname(one), parse_nickname(other)
    assert left is not None
    assert right is not None
    assert left.key == right.key


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=30))
def test_what_is_taken_fits_its_columns_and_is_stable(text: str) -> None:
    name = parse_nickname(text)
    if name is not None:
        assert 2 <= len(name.text) <= 20
        assert 1 <= len(name.key) <= 40
        assert parse_nickname(name.text) == name
        assert name.text.isprintable()
        assert all(letter.isascii() or "가" <= letter <= "힣" for letter in name.key)


LATIN = [chr(code) for code in (*range(0x41, 0x250), *range(0x1E00, 0x1F00)) if chr(code).isalpha()]


@given(st.text(alphabet=st.sampled_from([*LATIN, "가", "힣", "1", "_"]), min_size=2, max_size=20))
def test_every_latin_name_has_a_key(text: str) -> None:
    name = parse_nickname(text)
    if name is not None:
        assert name.key
        assert all(letter.isascii() or "가" <= letter <= "힣" for letter in name.key)
