"""Mails: their tokens and their words."""

import re
from email import message_from_bytes
from email.utils import parseaddr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.kernel.clock import SystemClock
from firewalker.kernel.ids import MailId, UserId, new_uuid7
from firewalker.user.domain.email import Email, parse_email
from firewalker.user.domain.faults import MailTokenInvalid
from firewalker.user.domain.mail import LIFETIMES, MailKind, MailToken
from firewalker.user.domain.mail_secret import MailKeys
from firewalker.user.domain.mail_text import Letter, letter
from firewalker.user.domain.refresh_token import RefreshKeys
from firewalker.user.mail_message import message
from tests.support.clock import NOON

OLD, NEW = bytes(range(32)), bytes(range(1, 33))


@given(st.uuids(version=4))
def test_a_token_opens_to_its_id_with_old_keys_too(token_id: MailId) -> None:
    text = MailKeys([OLD]).issue(token_id)
    assert MailKeys([NEW, OLD]).open(text) == token_id
    assert MailKeys([NEW]).open(text) is None


@given(st.integers(0, 73), st.characters(codec="ascii"))
def test_a_token_has_one_spelling(place: int, other: str) -> None:
    keys, token_id = MailKeys([OLD]), MailId(new_uuid7())
    text = keys.issue(token_id)
    place %= len(text)
    changed = text[:place] + other + text[place + 1 :]
    assert (keys.open(changed) is None) is (changed != text)


@given(st.from_regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,40}(\.[a-z=?_-]{1,9})?@example\.org", fullmatch=True))
def test_a_mail_is_addressed_to_the_very_address_that_was_taken(text: str) -> None:
    email = parse_email(text)
    if email is not None:
        made = Letter(email.text, "Subject", "Body")
        sent = bytes(message(MailId(new_uuid7()), made, sender="Firewalker <no-reply@fw.example>", clock=SystemClock()))
        assert parseaddr(message_from_bytes(sent)["To"])[1] == text


@pytest.mark.parametrize("text", ["", "fwm1_", "fwr1_" + "A" * 70, "fwm1_" + "A" * 70, "fwm1_" + "é" * 70])
def test_what_is_no_token_opens_to_nothing(text: str) -> None:
    assert MailKeys([OLD]).open(text) is None


def test_no_refresh_token_is_a_mail_token() -> None:
    from_refresh = RefreshKeys([OLD]).issue(MailId(new_uuid7()), 1).text  # type: ignore[arg-type]
    assert MailKeys([OLD]).open(from_refresh) is None


@pytest.mark.parametrize("kind", LIFETIMES)
def test_a_token_is_good_for_its_kind_until_it_expires_and_once(kind: MailKind) -> None:
    token = MailToken(
        MailId(new_uuid7()), UserId(new_uuid7()), kind, Email("a@b.co"), expire_time=NOON + LIFETIMES[kind]
    )
    token.ensure_usable(NOON, kind)
    other = next(found for found in LIFETIMES if found is not kind)
    for bad, at in [(kind, NOON + LIFETIMES[kind]), (other, NOON)]:
        with pytest.raises(MailTokenInvalid):
            token.ensure_usable(at, bad)


@pytest.mark.parametrize("kind", MailKind)
@pytest.mark.parametrize("zone", ["Asia/Seoul", "Europe/Berlin"])
def test_every_mail_is_whole_in_both_languages(kind: MailKind, zone: str) -> None:
    token = "fwm1_TOKEN" if kind in LIFETIMES else None
    made = letter(
        kind, email="a@b.co", nickname="보라 {x}", time_zone=zone, token=token, link_url="https://app.example.org"
    )
    assert made.subject
    assert "\n" not in made.subject
    assert "보라 {x}" in made.body
    assert (re.search("[가-힣]{3}", made.subject + made.body.replace("보라", "")) is not None) is (zone == "Asia/Seoul")
    assert (
        re.search(r"https://app.example.org/[a-z-]+#token=fwm1_TOKEN$", made.body, re.MULTILINE) is not None
        or not token
    )
    assert "None" not in made.body
    assert "TOKEN" not in repr(made)
