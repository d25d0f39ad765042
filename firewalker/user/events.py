"""Facts as `firewalker.event.v1` messages in the outbox: how the other services learn of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from firewalker.gen.pb.firewalker.event import v1 as pb
from firewalker.kernel.ids import EventId, UserId, new_uuid7
from firewalker.runtime.mysql import Transaction
from firewalker.runtime.outbox import Outbox, OutboxEvent
from firewalker.user.domain.friendship import FriendRequested, FriendshipAccepted
from firewalker.user.domain.security import Notice, SecurityNoticed
from firewalker.user.domain.user import Card, UserDeleted, UserSignedUp
from firewalker.user.usecases.ports import Fact

People = Mapping[UserId, Card]

_NOTICES = {
    Notice.PASSWORD_CHANGED: pb.SecurityNoticedKind.PASSWORD_CHANGED,
    Notice.EMAIL_CHANGED: pb.SecurityNoticedKind.EMAIL_CHANGED,
    Notice.TOKEN_REUSED: pb.SecurityNoticedKind.TOKEN_REUSED,
}


class OutboxFacts:
    """Writes facts into the outbox in the transaction of their change."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def append(self, tx: Transaction, facts: Sequence[Fact], people: People) -> None:
        """Write the facts in their order. *people* holds the card of everybody they name."""
        await self._outbox.append(tx, [_outbox_event(fact, people) for fact in facts])


def _outbox_event(fact: Fact, people: People) -> OutboxEvent:
    event_id = EventId(new_uuid7(int(fact.at.timestamp() * 1000)))
    event = pb.Event(event_id=str(event_id), create_time=fact.at, **_rendered(fact, people))
    return OutboxEvent(event_id, type(fact).__name__, bytes(event), fact.at)


def _rendered(fact: Fact, people: People) -> dict[str, Any]:
    """The fact as the one field of the event's oneof that is its own."""
    match fact:
        case UserSignedUp(user=user):
            profile = _profile(people[user.user_id])
            return {"user_signed_up": pb.UserSignedUp(profile=profile, time_zone=user.time_zone)}
        case FriendRequested(requester=requester, addressee=addressee):
            asker = _profile(people[requester])
            return {"friend_requested": pb.FriendRequested(requester=asker, addressee_id=str(addressee))}
        case FriendshipAccepted(accepter=accepter, requester=requester, at=at):
            return {
                "friendship_accepted": pb.FriendshipAccepted(
                    accepter=_profile(people[accepter]), requester=_profile(people[requester]), since_time=at
                )
            }
        case UserDeleted(user_id=user_id):
            return {"user_deleted": pb.UserDeleted(user_id=str(user_id))}
        case SecurityNoticed(user_id=user_id, notice=notice, session_id=session_id, device_name=device):
            return {
                "security_noticed": pb.SecurityNoticed(
                    user_id=str(user_id),
                    kind=_NOTICES[notice],
                    device_name=device,
                    session_id="" if session_id is None else str(session_id),
                )
            }


def _profile(card: Card) -> pb.Profile:
    return pb.Profile(user_id=str(card.user_id), nickname=card.nickname, avatar_url=card.avatar_url)
