"""Groups: sizes, roles, names; codes of invites; beginnings of names."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.kernel.ids import UserId
from firewalker.user.domain.faults import GroupFull, GroupHasMoreMembers, GroupRoleRequired, OwnerMustTransfer
from firewalker.user.domain.group import (
    DEFAULT_SIZE,
    Group,
    GroupId,
    GroupWish,
    JoinPolicy,
    Role,
    ensure_may_send_away,
    parse_description,
    parse_name,
    parse_size,
)
from firewalker.user.domain.invite import new_code, parse_code
from firewalker.user.domain.nickname import parse_beginning

NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
ANNA = UserId(UUID(int=1))


def group(**wish: int) -> Group:
    return Group.found(GroupId(UUID(int=9)), ANNA, GroupWish(name="Han", **wish), NOON)  # type: ignore[arg-type]


def test_a_new_group_is_open_and_has_room_for_50() -> None:
    assert (group().join_policy, group().max_members, group().member_count) == (JoinPolicy.OPEN, DEFAULT_SIZE, 1)


@given(st.lists(st.booleans(), max_size=40))
def test_members_are_never_more_than_there_is_room_and_times_grow(joins: list[bool]) -> None:
    here, times = group(max_members=5), [NOON]
    for joins_now in joins:
        if joins_now and here.member_count == 5:
            with pytest.raises(GroupFull):
                here.with_one_more(NOON)
            continue
        if not joins_now and here.member_count == 1:
            here.ensure_owner_can_leave()
            continue
        here = here.with_one_more(NOON) if joins_now else here.with_one_less(NOON)
        times.append(here.changed)
    assert 1 <= here.member_count <= 5
    assert times == sorted(set(times))


def test_a_group_does_not_become_smaller_than_it_is() -> None:
    two = group().with_one_more(NOON)
    assert two.wishing(GroupWish(max_members=2), NOON).max_members == 2
    with pytest.raises(GroupHasMoreMembers):
        two.with_one_more(NOON).wishing(GroupWish(max_members=2), NOON + timedelta(days=1))
    with pytest.raises(OwnerMustTransfer):
        two.ensure_owner_can_leave()


@pytest.mark.parametrize("actor", Role)
@pytest.mark.parametrize("target", [*Role, None])
def test_who_may_send_whom_away(actor: Role, target: Role | None) -> None:
    allowed: dict[Role, set[Role | None]] = {
        Role.OWNER: {Role.ADMIN, Role.MEMBER, None},
        Role.ADMIN: {Role.MEMBER, None},
        Role.MEMBER: set(),
    }
    if target in allowed[actor]:
        ensure_may_send_away(actor, target)
    else:
        with pytest.raises(GroupRoleRequired):
            ensure_may_send_away(actor, target)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *((" Han River ", "Han River"), ("한강", "한강"), ("🏃‍♀️ 새벽", "🏃‍♀️ 새벽")),
        *(("", None), (" ", None), ("a\nb", None), ("x" * 41, None)),
    ],
)
def test_names_are_short_and_on_one_line(text: str, name: str | None) -> None:
    assert parse_name(text) == name


def test_descriptions_may_have_lines() -> None:
    assert parse_description(" a\nb ") == "a\nb"
    assert parse_description("") == ""
    assert parse_description("\x07") is parse_description("x" * 501) is None
    assert [parse_size(count) for count in (1, 2, 200, 201)] == [None, 2, 200, None]


def test_codes_are_read_as_people_type_them() -> None:
    code = new_code()
    typed = " ".join(code[start : start + 4] for start in range(0, 16, 4)).lower()
    assert parse_code(typed) == parse_code(code) == code
    assert parse_code(code[:-1]) is parse_code(code + "A") is parse_code("0" * 16) is parse_code("A" * 99) is None


@pytest.mark.parametrize(
    ("text", "beginning"),
    [("Ji", "ji"), (" 지수", "지수"), ("ＪＩ", "ji"), ("j", None), (" j", None), ("x" * 21, None)],  # noqa: RUF001
)
def test_a_search_needs_two_characters(text: str, beginning: str | None) -> None:
    assert parse_beginning(text) == beginning
