"""Which passwords may be set."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from firewalker.user.domain.common_passwords import ENDINGS
from firewalker.user.domain.faults import PasswordTooCommon, PasswordTooLong, PasswordTooShort
from firewalker.user.domain.password import ensure_acceptable

pytestmark = pytest.mark.requirement("AUTH-33")

GOOD = "tR4il-head mist"


def test_lengths_from_8_to_128_are_taken() -> None:
    for length in (8, 64, 128):
        ensure_acceptable((GOOD * 9)[1 : length + 1] if length > len(GOOD) else GOOD[:length], ())


@pytest.mark.parametrize("password", ["", "x", "tR4il-h", "지수지수산책길"])
def test_fewer_than_8_characters_are_too_short(password: str) -> None:
    with pytest.raises(PasswordTooShort):
        ensure_acceptable(password, ())


def test_more_than_128_characters_are_too_long() -> None:
    with pytest.raises(PasswordTooLong):
        ensure_acceptable((GOOD * 9)[:129], ())


def test_characters_are_code_points_and_any_of_them_counts() -> None:
    ensure_acceptable("산책길🚶안개🌫밤", ())
    ensure_acceptable("a\x00b c\td\ue000e", ())


@pytest.mark.parametrize("password", ["lowercaseonlytrail", "947261835520", "UPPER MIST GATE", "@@!!~~^^##(("])
def test_no_kind_of_character_is_asked_for(password: str) -> None:
    ensure_acceptable(password, ())


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "PassWord1",
        "P@ssw0rd!",
        "12345678",
        "87654321",
        "qwertyuiop",
        "1qaz2wsx",
        "1q2w3e4r",
        "qwerty123",
        "asdfasdf",
        "aaaaaaaa",
        "abcabcabc",
        "11112222"[:4] * 2,
        "iloveyou",
        "letmein123",
        "drowssap",
        "19900215",
        "15.02.1990",
        "tkfkdgo1",
        "qlalfqjsgh",
        "firewalker",
        "liverpool1",
    ],
)
def test_what_everybody_tries_first_is_refused(password: str) -> None:
    with pytest.raises(PasswordTooCommon):
        ensure_acceptable(password, ())


def test_the_most_common_passwords_are_known() -> None:
    ranked = [word for word in FREQUENCY_LISTS["passwords"] if len(word) >= 8]
    assert len(ranked) >= 3_000
    for password in ranked:
        with pytest.raises(PasswordTooCommon):
            ensure_acceptable(password, ())


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_ending_that_satisfies_a_form_does_not_help(ending: str) -> None:
    with pytest.raises(PasswordTooCommon):
        ensure_acceptable(f"Sunshine{ending}", ())


@pytest.mark.parametrize("password", ["jisuwalks", "JisuWalks12", "99jisuwalks", "jisu.kim!!"])
def test_little_more_than_a_word_of_the_user_is_refused(password: str) -> None:
    with pytest.raises(PasswordTooCommon):
        ensure_acceptable(password, ["JisuWalks", "jisu.kim"])


def test_short_context_words_forbid_nothing() -> None:
    ensure_acceptable("jo-mist-gate", ["jo"])
    ensure_acceptable("jisuwalks-mist", ["jisuwalks"])


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=140))
def test_any_text_is_judged(password: str) -> None:
    try:
        ensure_acceptable(password, ["walker", ""])
    except (PasswordTooShort, PasswordTooLong, PasswordTooCommon):
        return
    assert 8 <= len(password) <= 128
