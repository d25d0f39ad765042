"""Friendships against a model, and each rule by its name."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.kernel.ids import UserId
from firewalker.user.domain.faults import (
    CannotBefriendSelf,
    DailyRequestLimitReached,
    FriendLimitReached,
    FriendRequestNotFound,
    IncomingRequestLimitReached,
    OutgoingRequestLimitReached,
)
from firewalker.user.domain.friendship import (
    Counts,
    FriendRequested,
    Friendship,
    FriendshipAccepted,
    Pair,
    State,
    ensure_not_too_many_today,
)

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
    assert change.after == Friendship(Pair(ANNA, BORA), State.REQUESTED, ANNA, NOON)
    assert change.events == [FriendRequested(ANNA, BORA, NOON)]


def test_asking_again_changes_nothing() -> None:
    change = asked().request(ANNA, NOON + MINUTE)
    assert (change.after, change.events) == (asked(), ())


def test_asking_back_makes_friends() -> None:
    change = asked(ANNA).request(BORA, NOON + MINUTE)
    assert change.after == Friendship(Pair(ANNA, BORA), State.FRIENDS, None, NOON + MINUTE)
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


ACTIONS = st.lists(st.tuples(st.sampled_from(["request", "accept"]), st.sampled_from([ANNA, BORA])), max_size=12)


@given(ACTIONS)
def test_any_sequence_agrees_with_the_model(actions: list[tuple[str, UserId]]) -> None:
    """The model: who has expressed the wish. Both have, or one has been accepted: friends, for good."""
    friendship, wishes, friends = nothing(), set[UserId](), False
    requested = accepted = 0
    for minute, (action, by) in enumerate(actions):
        other = friendship.pair.other(by)
        try:
            change = getattr(friendship, action)(by, NOON + minute * MINUTE)
        except FriendRequestNotFound:
            assert action == "accept"
            assert not friends
            assert other not in wishes
            continue
        if not friends and (action == "request" or other in wishes):
            wishes.add(by)
            friends = len(wishes) == 2
        requested += sum(isinstance(event, FriendRequested) for event in change.events)
        accepted += sum(isinstance(event, FriendshipAccepted) for event in change.events)
        assert (change.after == friendship) is (not change.events)
        friendship = change.after
        expected = State.FRIENDS if friends else State.REQUESTED if wishes else State.NONE
        assert friendship.state is expected
        assert friendship.requested_by == (next(iter(wishes)) if expected is State.REQUESTED else None)
    assert requested == min(1, len(wishes))
    assert accepted == friends


@given(ACTIONS)
def test_counts_follow_the_state(actions: list[tuple[str, UserId]]) -> None:
    friendship, counts = nothing(), {ANNA: Counts(), BORA: Counts()}
    for action, by in actions:
        try:
            after = getattr(friendship, action)(by, NOON).after
        except FriendRequestNotFound:
            continue
        counts = {
            user: before.moved(friendship.share_of(user), after.share_of(user)) for user, before in counts.items()
        }
        friendship = after
    assert counts == {user: friendship.share_of(user) for user in counts}


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
    ensure_not_too_many_today(sent[:29], sent[-1])
    with pytest.raises(DailyRequestLimitReached) as refused:
        ensure_not_too_many_today(sent, NOON + timedelta(hours=1))
    assert refused.value.retry_after == timedelta(hours=23)
