"""`SocialGraphService`: who is who to whom, for the other services. Internal port only."""

from collections.abc import Mapping
from typing import ClassVar

from firewalker.gen.pb.firewalker.user import v1 as pb
from firewalker.kernel.faults import InvalidRequest, Violation
from firewalker.kernel.ids import parse_uuid
from firewalker.runtime.grpc.policy import Caller, Priority, Rule
from firewalker.user.domain.group import GroupId
from firewalker.user.rpc.fields import ID_RULE, Fields
from firewalker.user.rpc.render import VISIBILITIES
from firewalker.user.usecases.social_graph import SocialGraph

MAX_QUERIES = 500
"""Pairs of one CheckBonds (proto)."""

_RULE = Rule(Caller.SERVICE, priority=Priority.READ)


class SocialGraphDoor(pb.SocialGraphServiceBase):
    """The graph, as MySQL has it."""

    POLICY: ClassVar[Mapping[str, Rule]] = {"GetCircle": _RULE, "CheckBonds": _RULE, "ListMemberships": _RULE}

    def __init__(self, graph: SocialGraph) -> None:
        self._graph = graph

    async def get_circle(self, message: pb.GetCircleRequest) -> pb.GetCircleResponse:
        """A user and all friends."""
        fields = Fields()
        user = fields.user_id("user_id", message.user_id)
        fields.ensure_valid()
        me, friends = await self._graph.circle(user)
        own = VISIBILITIES[me.visibility]
        return pb.GetCircleResponse(
            me=pb.GetCircleResponsePerson(
                user_id=str(me.user_id),
                nickname=me.nickname.text,
                avatar_url=me.avatar_url,
                time_zone=me.time_zone,
                shows=own,
                is_shown=own,
            ),
            friends=[
                pb.GetCircleResponsePerson(
                    user_id=str(row.card.user_id),
                    nickname=row.card.nickname,
                    avatar_url=row.card.avatar_url,
                    time_zone=row.time_zone,
                    since_time=row.since,
                    shows=VISIBILITIES[row.shows or row.shows_everybody],
                    is_shown=VISIBILITIES[row.is_shown or me.visibility],
                )
                for row in friends
            ],
        )

    async def check_bonds(self, message: pb.CheckBondsRequest) -> pb.CheckBondsResponse:
        """What stands between pairs of users."""
        if len(message.queries) > MAX_QUERIES:
            raise InvalidRequest(violations=[Violation("queries", f"must be at most {MAX_QUERIES}")])
        fields = Fields()
        queries = [
            (
                fields.user_id(f"queries[{number}].viewer_id", query.viewer_id),
                fields.user_id(f"queries[{number}].subject_id", query.subject_id),
            )
            for number, query in enumerate(message.queries)
        ]
        fields.ensure_valid()
        bonds = await self._graph.bonds(queries)
        return pb.CheckBondsResponse(
            bonds=[
                pb.CheckBondsResponseBond(
                    friends=bond.friends,
                    blocked=bond.blocked,
                    subject_asks=bond.asks,
                    visibility=VISIBILITIES[bond.visibility],
                    since_time=bond.since,
                )
                for bond in bonds
            ]
        )

    async def list_memberships(self, message: pb.ListMembershipsRequest) -> pb.ListMembershipsResponse:
        """The memberships of a user, or those in a group."""
        fields = Fields()
        user = group = None
        if message.user_id is not None:
            user = fields.user_id("user_id", message.user_id)
        elif message.group_id is not None:
            group = GroupId(fields.read("group_id", parse_uuid(message.group_id), ID_RULE))
        else:
            fields.read("of", None, "user_id or group_id must be set")
        fields.ensure_valid()
        return pb.ListMembershipsResponse(
            memberships=[
                pb.ListMembershipsResponseMembership(
                    group_id=str(one.group_id),
                    user_id=str(one.user_id),
                    join_time=one.join_time,
                    leave_time=one.leave_time,
                )
                for one in await self._graph.memberships(user, group)
            ]
        )
