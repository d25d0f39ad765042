"""Sessions: expiry, and rotation against an owner who loses answers and a thief with copies."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from firewalker.kernel.ids import SessionId, UserId, new_uuid7
from firewalker.user.domain.faults import RefreshTokenInvalid
from firewalker.user.domain.refresh_token import RefreshKeys, RefreshToken
from firewalker.user.domain.session import (
    MAX_AGE,
    MAX_IDLE,
    Client,
    EndReason,
    Rotation,
    Session,
    is_label,
    overflowing,
)

KEYS = RefreshKeys([bytes(range(32))])
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
USER = UserId(new_uuid7())
TICK = timedelta(milliseconds=1)


def opened(at: datetime = NOON) -> Session:
    return Session.open(SessionId(new_uuid7()), USER, Client(), KEYS, at)


def token(session: Session, generation: int) -> RefreshToken:
    return KEYS.issue(session.session_id, generation)


def rotated(session: Session, generation: int, at: datetime = NOON) -> Session:
    return session.rotate(token(session, generation), KEYS, at)[1]


def test_the_newest_token_gives_the_next_generation() -> None:
    session = opened()
    rotation, after = session.rotate(session.newest_token(KEYS), KEYS, NOON)
    assert rotation is Rotation.ADVANCED
    assert after.newest_token(KEYS) == token(session, 2)


@pytest.mark.requirement("AUTH-11")
def test_a_lost_answer_is_given_again() -> None:
    session = opened()
    once = rotated(session, 1)
    rotation, twice = once.rotate(token(session, 1), KEYS, NOON)
    assert rotation is Rotation.REPEATED
    assert twice.newest_token(KEYS) == once.newest_token(KEYS)


@pytest.mark.requirement("AUTH-11")
def test_reuse_of_a_replaced_token_ends_the_session() -> None:
    session = rotated(rotated(opened(), 1), 2)
    rotation, after = session.rotate(token(session, 1), KEYS, NOON)
    assert rotation is Rotation.REUSED
    assert (after.end_time, after.end_reason) == (NOON, EndReason.REUSE)
    for generation in (2, 3):
        with pytest.raises(RefreshTokenInvalid):
            rotated(after, generation)
    assert after.rotate(token(session, 1), KEYS, NOON + TICK) == (Rotation.REUSED, after)


def test_a_generation_that_was_never_made_is_refused_and_ends_nothing() -> None:
    session = opened()
    with pytest.raises(RefreshTokenInvalid):
        rotated(session, 2)


def test_a_token_that_the_row_knows_nothing_of_is_refused() -> None:
    session = replace(opened(), secret_hash=bytes(32))
    with pytest.raises(RefreshTokenInvalid):
        rotated(session, 1)


@pytest.mark.requirement("AUTH-14")
def test_a_session_expires_after_30_idle_days() -> None:
    session = opened()
    assert session.refresh_expire_time == NOON + MAX_IDLE
    assert rotated(session, 1, NOON + MAX_IDLE - TICK).generation == 2
    with pytest.raises(RefreshTokenInvalid):
        rotated(session, 1, NOON + MAX_IDLE)


@pytest.mark.requirement("AUTH-14")
def test_a_session_in_use_expires_after_180_days() -> None:
    session, at = opened(), NOON
    while at + timedelta(days=29) < NOON + MAX_AGE:
        at += timedelta(days=29)
        session = rotated(session, session.generation, at)
    assert session.refresh_expire_time == NOON + MAX_AGE
    assert session.is_alive(NOON + MAX_AGE - TICK)
    with pytest.raises(RefreshTokenInvalid):
        rotated(session, session.generation, NOON + MAX_AGE)


def test_the_first_end_of_a_session_stays() -> None:
    ended = opened().end(EndReason.LOGOUT, NOON)
    assert ended.end(EndReason.TOO_MANY, NOON + TICK) == ended


@pytest.mark.requirement("AUTH-17")
def test_the_sessions_idle_longest_make_room() -> None:
    sessions = [opened(NOON + index * TICK) for index in range(22)]
    refreshed = rotated(sessions[0], 1, NOON + timedelta(hours=1))
    surplus = overflowing([refreshed, *sessions[1:]])
    assert {session.session_id for session in surplus} == {session.session_id for session in sessions[1:4]}
    assert overflowing(sessions[:19]) == []


@pytest.mark.parametrize(
    ("text", "good"),
    [
        *(("", True), ("지수의 Pixel 8", True), ("👩‍💻의 iPhone", True), ("x" * 64, True)),
        *(("x" * 65, False), ("a\nb", False), ("\x00", False)),
    ],
)
def test_labels_are_short_and_printable(text: str, good: bool) -> None:  # noqa: FBT001 - a table
    assert is_label(text) is good


@pytest.mark.requirement("AUTH-11")
class RefreshFamily(RuleBasedStateMachine):
    """An owner whose answers get lost, and a thief who copies what the owner holds."""

    def __init__(self) -> None:
        super().__init__()
        self.session = opened()
        self.issued = [self.session.newest_token(KEYS)]
        self.owner = self.thief = self.issued[0]
        self.stolen = False
        self.used: set[int] = set()
        self.advances = 0

    def _refresh(self, presented: RefreshToken) -> RefreshToken | None:
        """What the server does; None for a refusal."""
        newest = self.session.generation
        alive = self.session.end_time is None
        try:
            rotation, self.session = self.session.rotate(presented, KEYS, NOON)
        except RefreshTokenInvalid:
            assert not alive
            return None
        if rotation is Rotation.REUSED:
            assert presented.generation + 1 in self.used
            return None
        if rotation is Rotation.ADVANCED:
            assert presented.generation == newest
            self.used.add(presented.generation)
            self.advances += 1
            self.issued.append(self.session.newest_token(KEYS))
        else:
            assert presented.generation + 1 not in self.used
        answer = self.session.newest_token(KEYS)
        assert answer.generation == presented.generation + 1
        return answer

    @rule(lost=st.booleans())
    def owner_refreshes(self, lost: bool) -> None:  # noqa: FBT001 - drawn
        answer = self._refresh(self.owner)
        if not self.stolen:
            assert answer is not None, "an honest client was signed out"
        if answer is not None and not lost:
            self.owner = answer

    @rule()
    def thief_copies_what_the_owner_holds(self) -> None:
        self.thief, self.stolen = self.owner, True

    @precondition(lambda self: self.stolen)
    @rule(lost=st.booleans())
    def thief_refreshes(self, lost: bool) -> None:  # noqa: FBT001 - drawn
        answer = self._refresh(self.thief)
        if answer is not None and not lost:
            self.thief = answer

    @rule(data=st.data())
    def anybody_presents_something_old(self, data: st.DataObject) -> None:
        old = data.draw(st.sampled_from(self.issued))
        self.stolen = True
        self._refresh(old)

    @invariant()
    def generations_grow_one_by_one(self) -> None:
        assert self.session.generation == 1 + self.advances == len(self.issued)

    @invariant()
    def at_most_two_tokens_are_good(self) -> None:
        good = []
        for held in self.issued:
            try:
                rotation, _ = self.session.rotate(held, KEYS, NOON)
            except RefreshTokenInvalid:
                continue
            if rotation is not Rotation.REUSED:
                good.append(held.generation)
        assert good == ([] if self.session.end_time else [g for g in (len(self.issued) - 1, len(self.issued)) if g])

    @invariant()
    def owner_and_thief_do_not_both_get_on(self) -> None:
        """Once the two hold tokens more than one apart, the one behind ends the session with the next refresh."""
        if self.session.end_time is None and abs(self.owner.generation - self.thief.generation) > 1 and self.stolen:
            behind = min(self.owner, self.thief, key=lambda held: held.generation)
            assert self.session.rotate(behind, KEYS, NOON)[0] is Rotation.REUSED


TestRefreshFamily = RefreshFamily.TestCase
