"""E-mail addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.user.domain.email import parse_email


@pytest.mark.parametrize(
    "text",
    ["a@b.co", "first.last+tag@mail.example.org", "o'neil@example.com", "x@xn--9n2bp8q.kr", "a" * 64 + "@example.org"],
)
def test_addresses_are_kept_as_written(text: str) -> None:
    email = parse_email(text)
    assert email is not None
    assert email.text == text
    assert email.local == text.partition("@")[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a@b",
        "@b.co",
        "a@",
        "a@@b.co",
        "a b@c.de",
        ".a@b.co",
        "a.@b.co",
        "a..b@c.de",
        "a@-b.co",
        "a@b-.co",
        "a@b..co",
        "a@1.2.3.4",
        "a@[1.2.3.4]",
        '"a"@b.co',
        "a@b.co\n",
        "a@b.co\x00",
        "é@b.co",
        "a@bücher.de",
        "a" * 65 + "@example.org",
        "a@" + "b" * 64 + ".co",
        "a@" + "b." * 126 + "co",
        "=?utf-8?q?ann?=@example.org",  # in a header these stand for other text: ann, a line's end, nothing at all
        "=?utf-8?q?a=0Ab?=@example.org",
        "x.=?utf-8?q??=@example.org",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert parse_email(text) is None


def test_case_does_not_tell_addresses_apart() -> None:
    one, other = parse_email("Jisu@Example.ORG"), parse_email("jisu@example.org")
    assert one is not None
    assert other is not None
    assert one.key == other.key


@given(st.text(max_size=300))
def test_any_text_is_judged(text: str) -> None:
    email = parse_email(text)
    assert email is None or (email.text == text and len(text) <= 254 and text.isascii())


def test_a_long_hostile_text_is_judged_quickly() -> None:
    assert parse_email("a." * 126 + "@") is None
    assert parse_email("a@" + "a-" * 125) is None
