"""Words for every type of notification in every locale."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.gen.pb.firewalker.event import v1 as pb
from firewalker.kernel.ids import NotificationId, UserId
from firewalker.notification.domain.facts import Happened
from firewalker.notification.domain.korean import Word, ends_closed
from firewalker.notification.domain.notification import Notification, Type
from firewalker.notification.domain.preferences import Locale, Preferences, Recipient
from firewalker.notification.domain.text import text_of, text_of_all
from firewalker.notification.rpc.event_meanings import fact_of

ABOUT_NOBODY = {Type.TOOK_FIRST_PLACE, Type.GOAL_REACHED, Type.DAY_RESULT, Type.SECURITY}

FACTS = {"group_id": str(uuid4()), "group_name": "한강", "date": "2026-05-20", "kind": "CLAP", "daily_steps": "8000",
         "steps": "12345", "rank": "1", "ranked": "3", "device_name": "Pixel"}  # fmt: skip


def _notification(kind: Type, nickname: str = "지수", facts: Mapping[str, str] = FACTS) -> Notification:
    actor = UserId(uuid4())
    return Notification(
        notification_id=NotificationId(uuid4()),
        user_id=UserId(uuid4()),
        type=kind,
        params={**facts, "user_id": str(actor), "nickname": nickname},
        create_time=datetime(2026, 5, 20, tzinfo=UTC),
        actor_id=actor,
    )


@pytest.mark.parametrize(
    ("chosen", "device", "zone", "locale"),
    [
        (Locale.EN, Locale.KO, "Asia/Seoul", Locale.EN),
        (None, Locale.EN, "Asia/Seoul", Locale.EN),
        (None, None, "Asia/Seoul", Locale.KO),
        (None, None, "Europe/Berlin", Locale.EN),
    ],
)
def test_the_language_is_the_one_chosen_or_the_devices_or_that_of_the_time_zone(
    chosen: Locale | None, device: Locale | None, zone: str, locale: Locale
) -> None:
    recipient = Recipient(UserId(uuid4()), Preferences(locale=chosen), zone, device)
    assert recipient.locale(Locale.EN) is locale


@pytest.mark.parametrize("locale", Locale)
def test_every_kind_of_security_has_words_of_its_own_and_those_to_come_have_general_ones(locale: Locale) -> None:
    def words(kind: int) -> str:
        told = pb.SecurityNoticed(user_id=str(uuid4()), kind=pb.SecurityNoticedKind(kind))
        event = pb.Event(event_id=str(uuid4()), create_time=datetime(2026, 5, 20, tzinfo=UTC), security_noticed=told)
        fact = fact_of(pb.Event.parse(bytes(event)))
        assert fact is not None
        [happened] = fact.meanings
        assert isinstance(happened, Happened)
        return text_of(happened.notifications[0], locale).title

    known = [words(kind.value) for kind in pb.SecurityNoticedKind if kind.value]
    assert len({words(99), *known}) == len(known) + 1


@pytest.mark.parametrize("locale", Locale)
@pytest.mark.parametrize("kind", Type)
def test_every_type_has_words_in_every_locale(kind: Type, locale: Locale) -> None:
    text = text_of(_notification(kind), locale)
    assert text.title
    assert kind in ABOUT_NOBODY or "지수" in text.body
    assert "{" not in text.title + text.body


@pytest.mark.parametrize("locale", Locale)
@pytest.mark.parametrize("kind", Type)
@given(nickname=st.text(min_size=1, max_size=30), facts=st.dictionaries(st.sampled_from(sorted(FACTS)), st.just("7")))
def test_words_can_be_made_of_whatever_people_call_themselves(
    kind: Type, locale: Locale, nickname: str, facts: Mapping[str, str]
) -> None:
    text = text_of_all([_notification(kind, nickname, {**FACTS, **facts}), _notification(kind)], locale)
    assert kind in ABOUT_NOBODY or nickname in text.body


@pytest.mark.requirement("PRIV-08")
@pytest.mark.parametrize("locale", Locale)
@pytest.mark.parametrize("kind", [kind for kind in Type if kind not in ABOUT_NOBODY])
def test_lock_screens_show_nobodys_steps_but_ones_own(kind: Type, locale: Locale) -> None:
    text = text_of(_notification(kind), locale)
    words = text.title + text.body
    assert not [number for number in ("12,345", "12345", "8,000", "8000") if number in words]


def test_a_nickname_with_braces_is_only_a_nickname() -> None:
    assert "{user_id}" in text_of(_notification(Type.FRIEND_REQUEST, "{user_id}"), Locale.EN).body


@pytest.mark.parametrize(
    ("locale", "count", "words"),
    [
        (Locale.KO, 1, "지수님이 앞질렀어요."),
        (Locale.KO, 3, "지수 외 2명이 앞질렀어요."),
        (Locale.EN, 1, "지수 passed you."),
        (Locale.EN, 2, "지수 and 1 other passed you."),
        (Locale.EN, 3, "지수 and 2 others passed you."),
    ],
)
def test_several_people_become_one_sentence(locale: Locale, count: int, words: str) -> None:
    told = [_notification(Type.OVERTAKEN, "지수" if number == 0 else f"x{number}") for number in range(count)]
    assert text_of_all(told, locale).body.startswith(words)


def test_one_person_twice_is_one_person() -> None:
    told = _notification(Type.CHEER)
    assert text_of_all([told, told], Locale.EN).body == "지수 cheers you on!"


@pytest.mark.parametrize(("rank", "place"), [("1", "1st"), ("2", "2nd"), ("3", "3rd"), ("11", "11th"), ("22", "22nd"), ("112", "112th")])  # fmt: skip
def test_english_counts_places(rank: str, place: str) -> None:
    assert f" {place} of 200" in text_of(_notification(Type.DAY_RESULT, facts={**FACTS, "rank": rank, "ranked": "200"}), Locale.EN).body  # fmt: skip


@pytest.mark.parametrize(("rank", "ranked"), [("0", "0"), ("1", "1"), ("0", "3")])
def test_a_day_without_a_rank_or_without_anybody_else_tells_the_steps_alone(rank: str, ranked: str) -> None:
    day = _notification(Type.DAY_RESULT, facts={**FACTS, "rank": rank, "ranked": ranked})
    assert text_of(day, Locale.KO).body == "12,345보를 걸었어요."
    assert text_of(day, Locale.EN).body == "You walked 12,345 steps."


@pytest.mark.parametrize("ranked", ["1", "3"])
def test_one_step_is_one_step(ranked: str) -> None:
    day = _notification(Type.DAY_RESULT, facts={**FACTS, "steps": "1", "ranked": ranked})
    assert " 1 step" in text_of(day, Locale.EN).body
    assert "1 steps" not in text_of(day, Locale.EN).body


@pytest.mark.parametrize(
    ("word", "spoken"),
    [
        ("지수", "지수가"), ("민준", "민준이"), ("한강", "한강이"), ("걷기7", "걷기7이"), ("걷기9", "걷기9가"), ("R2", "R2가"),
        ("Ann", "Ann이"), ("Mina", "Mina가"), ("Mark", "Mark가"), ("Rick", "Rick이"), ("KTX", "KTX가"), ("FBI", "FBI가"),
        ("HTML", "HTML이"), ("지수!!", "지수!!가"), ("🏃", "🏃이(가)"), ("歩", "歩이(가)"), ("King", "King이"),
        ("Time", "Time이"), ("Google", "Google이"), ("Grace", "Grace가"),
    ],
)  # fmt: skip
def test_particles_follow_the_last_sound(word: str, spoken: str) -> None:
    assert f"{Word(word):이/가}" == spoken


@given(st.text())
def test_any_word_ends_somehow(word: str) -> None:
    assert ends_closed(word) in {True, False, None}
    assert f"{Word(word)}" == word
