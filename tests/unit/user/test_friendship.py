"""Friendships against a model, and each rule by its name."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.kernel.faults import Fault
from firewalker.kernel.ids import UserId
from firewalker.user.domain.faults import (
    CannotBefriendSelf,
    DailyRequestLimitReached,
    FriendLimitReached,
    FriendRequestNotFound,
    IncomingRequestLimitReached,
    OutgoingRequestLimitReached,
)
from firewalker.user.domain.friend_limits import REQUESTS, Counts
from firewalker.user.domain.friendship import (
    Change,
    FriendRequested,
    Friendship,
    FriendshipAccepted,
    FriendshipEvent,
    Pair,
    State,
)
from firewalker.user.domain.user import Visibility
from tests.support.pair_model import ACTIONS, PairModel

ANNA, BORA = UserId(UUID(int=1)), UserId(UUID(int=2))
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def nothing() -> Friendship:
    return Friendship(Pair.of(ANNA, BORA))


def asked(by: UserId = ANNA) -> Friendship:
    return nothing().request(by, NOON).after


def test_a_pair_is_the_same_from_both_sides() -> None:
    assert Pair.of(ANNA, BORA) == Pair.of(BORA, ANNA) == Pair(ANNA, BORA)
    assert Pair.of(ANNA, BORA).other(ANNA) == BORA
    assert Pair.of(ANNA, BORA).other(BORA) == ANNA


def test_nobody_is_paired_with_themselves() -> None:
    with pytest.raises(CannotBefriendSelf):
        Pair.of(ANNA, ANNA)


def test_asking_makes_a_request_and_one_event() -> None:
    change = nothing().request(ANNA, NOON)
    assert change.after == Friendship(Pair(ANNA, BORA), State.REQUESTED, ANNA, NOON, changed=NOON)
    assert change.events == [FriendRequested(ANNA, BORA, NOON)]


def test_asking_again_changes_nothing() -> None:
    change = asked().request(ANNA, NOON + MINUTE)
    assert (change.after, change.events) == (asked(), ())


def test_asking_back_makes_friends() -> None:
    change = asked(ANNA).request(BORA, NOON + MINUTE)
    after = Friendship(Pair(ANNA, BORA), State.FRIENDS, None, NOON + MINUTE, changed=NOON + MINUTE)
    assert change.after == after
    assert change.events == [FriendshipAccepted(accepter=BORA, requester=ANNA, at=NOON + MINUTE)]


def test_asking_a_friend_changes_nothing() -> None:
    friends = asked().accept(BORA, NOON).after
    assert friends.request(ANNA, NOON + MINUTE).after == friends
    assert friends.request(ANNA, NOON + MINUTE).events == ()


def test_accepting_again_changes_nothing() -> None:
    friends = asked().accept(BORA, NOON).after
    assert friends.accept(BORA, NOON + MINUTE).after == friends
    assert friends.accept(ANNA, NOON + MINUTE).events == ()


def test_what_was_not_asked_cannot_be_accepted() -> None:
    with pytest.raises(FriendRequestNotFound):
        nothing().accept(ANNA, NOON)


def test_ones_own_request_cannot_be_accepted() -> None:
    with pytest.raises(FriendRequestNotFound):
        asked(ANNA).accept(ANNA, NOON)


STEPS = st.lists(
    st.tuples(st.sampled_from(ACTIONS), st.sampled_from([0, 1]), st.sampled_from([0, 60, 3 * 86_400, 8 * 86_400])),
    max_size=16,
)

DOES: dict[str, Callable[[Friendship, UserId, datetime], Change]] = {
    "ask": Friendship.request,
    "hide": lambda friendship, by, at: friendship.show(by, Visibility.HIDDEN, at),
    "show": lambda friendship, by, at: friendship.show(by, None, at),
}


@given(STEPS)
def test_any_sequence_agrees_with_the_model(steps: list[tuple[str, int, int]]) -> None:
    """What each side sees, what counts against whose limits, what is told, and that times of what is told grow."""
    users, now_s = (ANNA, BORA), 0
    friendship, model = nothing(), PairModel()
    counts = {user: Counts() for user in users}
    told: list[FriendshipEvent] = []
    for action, who, passed_s in steps:
        now_s += passed_s
        at, by, before = NOON + timedelta(seconds=now_s), users[who], friendship
        do = DOES.get(action) or getattr(Friendship, action)
        if refusal := model.act(action, who, now_s):
            with pytest.raises(Fault) as fault:
                do(friendship, by, at)
            assert fault.value.reason == refusal
            continue
        change = do(friendship, by, at)
        friendship = change.after
        told += change.events
        assert change.before == before
        counts = {user: counts[user].moved(before.share_of(user), friendship.share_of(user)) for user in users}
        for number, user in enumerate(users):
            assert friendship.as_seen_by(user).state.name == model.seen_by(number)
            assert counts[user] == friendship.share_of(user) == Counts(*model.share_of(number))
            assert (friendship.side(user).blocks_since is not None) is (number in model.blocks)
            assert (friendship.side(user).shows is Visibility.HIDDEN) is (number in model.hides)
    assert [type(event).__name__ for event in told] == model.told
    assert [event.at for event in told] == sorted(event.at for event in told)


def test_times_grow_even_if_the_clock_does_not() -> None:
    blocked = asked().accept(BORA, NOON).after.block(BORA, NOON - MINUTE)
    assert {event.at for event in blocked.events} == {NOON + timedelta(milliseconds=2)}
    [lifted] = blocked.after.unblock(BORA, NOON - MINUTE).events
    assert lifted.at == NOON + timedelta(milliseconds=3)


@pytest.mark.parametrize(
    ("used", "before", "after", "fault"),
    [
        (Counts(friends=500), Counts(), Counts(friends=1), FriendLimitReached),
        (Counts(outgoing=100), Counts(), Counts(outgoing=1), OutgoingRequestLimitReached),
        (Counts(incoming=500), Counts(), Counts(incoming=1), IncomingRequestLimitReached),
        (Counts(friends=500, incoming=1), Counts(incoming=1), Counts(friends=1), FriendLimitReached),
    ],
)
def test_a_full_limit_refuses_one_more(used: Counts, before: Counts, after: Counts, fault: type[Exception]) -> None:
    with pytest.raises(fault):
        used.moved(before, after)


def test_the_last_place_can_be_taken() -> None:
    assert Counts(499, 99, 499).moved(Counts(), Counts(1, 1, 1)) == Counts(500, 100, 500)


def test_a_full_limit_does_not_stop_what_frees_it() -> None:
    assert Counts(incoming=500).moved(Counts(incoming=1), Counts(friends=1)) == Counts(friends=1, incoming=499)


def test_thirty_requests_a_day_and_then_a_wait_for_the_first_to_be_a_day_old() -> None:
    sent = [NOON + index * MINUTE for index in range(30)]
    REQUESTS.ensure_left(sent[:29], sent[-1])
    with pytest.raises(DailyRequestLimitReached) as refused:
        REQUESTS.ensure_left(sent, NOON + timedelta(hours=1))
    assert refused.value.retry_after == timedelta(hours=23)
