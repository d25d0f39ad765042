"""`UserService`: profiles, one's own and others'."""

from collections.abc import AsyncIterator, Mapping
from typing import ClassVar, Final

from firewalker.gen.pb.firewalker.user import v1 as pb
from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.days import parse_zone
from firewalker.kernel.principal import principal
from firewalker.runtime.grpc.policy import Caller, Priority, Rule
from firewalker.runtime.grpc.rates import CHANGES, EXPORTS, PICTURES, READS, SEARCHES
from firewalker.runtime.page_tokens import PageTokens
from firewalker.runtime.repeats import Repeatable
from firewalker.user.domain.nickname import NICKNAME_RULE, parse_beginning, parse_nickname
from firewalker.user.domain.report import MAX_REPORT_CHARACTERS, Reason, Report
from firewalker.user.domain.user import Wish
from firewalker.user.rpc import render
from firewalker.user.rpc.avatars import AvatarCalls
from firewalker.user.rpc.fields import Fields, masked, visibility_of
from firewalker.user.rpc.pages import Turn
from firewalker.user.usecases.deletions import Deletions
from firewalker.user.usecases.exports import Exports
from firewalker.user.usecases.profiles import Profiles

_REASONS: Final = {
    pb.ReportUserRequestReason.SPAM: Reason.SPAM,
    pb.ReportUserRequestReason.HARASSMENT: Reason.HARASSMENT,
    pb.ReportUserRequestReason.INAPPROPRIATE: Reason.INAPPROPRIATE,
    pb.ReportUserRequestReason.CHEATING: Reason.CHEATING,
    pb.ReportUserRequestReason.IMPERSONATION: Reason.IMPERSONATION,
    pb.ReportUserRequestReason.OTHER: Reason.OTHER,
}

_CHANGEABLE: Final = ("nickname", "time_zone", "visibility")
"""What users change of themselves here."""

_READ: Final = Rule(Caller.USER, priority=Priority.READ, rate=READS)


class UserDoor(pb.UserServiceBase):
    """Profiles."""

    POLICY: ClassVar[Mapping[str, Rule]] = {
        "GetMe": _READ,
        "UpdateMe": Rule(Caller.USER, rate=CHANGES, sensitive=True),
        "CreateAvatarUpload": Rule(Caller.USER, rate=PICTURES),
        # The picture comes from its storage, is decoded, and goes back in two sizes.
        "CommitAvatar": Rule(Caller.USER, deadline_s=20.0, rate=PICTURES),
        "DeleteAvatar": Rule(Caller.USER, deadline_s=20.0, rate=CHANGES),
        "DeleteMe": Rule(Caller.USER, deadline_s=10.0, rate=CHANGES, sensitive=True),
        "ExportMyData": Rule(Caller.USER, rate=EXPORTS, sensitive=True),
        "GetUser": _READ,
        "SearchUsers": Rule(Caller.USER, priority=Priority.READ, rate=SEARCHES),
        "ReportUser": Rule(Caller.USER, rate=CHANGES),
    }

    def __init__(
        self,
        *,
        profiles: Profiles,
        deletions: Deletions,
        exports: Exports,
        avatars: AvatarCalls,
        page_tokens: PageTokens,
        clock: Clock,
    ) -> None:
        self._profiles = profiles
        self._deletions = deletions
        self._exports = exports
        self._avatars = avatars
        self._page_tokens = page_tokens
        self._clock = clock

    async def get_me(self, message: pb.GetMeRequest) -> pb.GetMeResponse:  # noqa: ARG002 - it has no fields
        """The caller's own profile."""
        return pb.GetMeResponse(user=render.own_user(await self._profiles.me(principal().user_id)))

    async def create_avatar_upload(self, message: pb.CreateAvatarUploadRequest) -> pb.CreateAvatarUploadResponse:
        """A place for a picture."""
        return await self._avatars.promise(principal().user_id, message)

    async def commit_avatar(self, message: pb.CommitAvatarRequest) -> pb.CommitAvatarResponse:
        """Make an uploaded picture the caller's."""
        return await self._avatars.commit(principal().user_id, message)

    async def delete_avatar(self, message: pb.DeleteAvatarRequest) -> pb.DeleteAvatarResponse:  # noqa: ARG002 - it has no fields
        """Have no picture."""
        return await self._avatars.delete(principal().user_id)

    async def delete_me(self, message: pb.DeleteMeRequest) -> pb.DeleteMeResponse:
        """Delete the caller's account for good."""
        fields = Fields()
        fields.read("password", message.password or message.id_token or None, "is needed, or an id_token")
        fields.ensure_valid()
        await self._deletions.delete(principal(), message.password, message.id_token)
        return pb.DeleteMeResponse()

    async def export_my_data(self, message: pb.ExportMyDataRequest) -> AsyncIterator[pb.ExportMyDataResponse]:  # noqa: ARG002 - it has no fields
        """Everything about the caller, record by record."""
        async for record in self._exports.of(principal().user_id):
            yield pb.ExportMyDataResponse(kind=record.kind, fields=dict(record.fields))

    async def update_me(self, message: pb.UpdateMeRequest) -> pb.UpdateMeResponse:
        """Change the caller's own profile."""
        user = await self._profiles.update(principal().user_id, _wish(message))
        return pb.UpdateMeResponse(user=render.own_user(user))

    async def get_user(self, message: pb.GetUserRequest) -> pb.GetUserResponse:
        """What everybody may see of a user."""
        fields = Fields()
        user = fields.user_id("user_id", message.user_id)
        fields.ensure_valid()
        return pb.GetUserResponse(user=render.user_card(*await self._profiles.card(principal().user_id, user)))

    async def search_users(self, message: pb.SearchUsersRequest) -> pb.SearchUsersResponse:
        """Users whose nicknames begin with some letters."""
        caller = principal().user_id
        fields = Fields()
        beginning = fields.read("query", parse_beginning(message.query), "must have 2 to 20 characters")
        fields.ensure_valid()
        turn = Turn(self._page_tokens, "SearchUsers", message, beginning)
        page = await self._profiles.search(caller, beginning, turn.size, turn.cursor)
        return pb.SearchUsersResponse(
            users=[render.user_card(row.card, row.friendship.as_seen_by(caller).state) for row in page.rows],
            next_page_token=turn.next_token(page.next_cursor),
        )

    async def report_user(self, message: pb.ReportUserRequest) -> pb.ReportUserResponse:
        """Tell of a user."""

        def answer(_: None) -> pb.ReportUserResponse:
            return pb.ReportUserResponse()

        fields = Fields()
        user = fields.user_id("user_id", message.user_id)
        reason = fields.read("reason", _REASONS.get(message.reason), "must be one of the reasons")
        text = message.text or ""
        fits = text if len(text) <= MAX_REPORT_CHARACTERS else None
        fields.read("text", fits, f"must have at most {MAX_REPORT_CHARACTERS} characters")
        fields.ensure_valid()
        caller = principal().user_id
        call = Repeatable("ReportUser", caller, message, answer, self._clock)
        report = Report(caller, user, reason, text, moment(self._clock))
        return await call.answer(self._profiles.report(report, call.once), pb.ReportUserResponse)


def _wish(message: pb.UpdateMeRequest) -> Wish:
    user = message.user or pb.User()
    present = [field for field in _CHANGEABLE if getattr(user, field)]
    fields = Fields()
    taken = masked(fields, message.update_mask, known=_CHANGEABLE, present=present)
    nickname = zone = visibility = None
    if "nickname" in taken:
        nickname = fields.read("user.nickname", parse_nickname(user.nickname), NICKNAME_RULE)
    if "time_zone" in taken:
        zone = fields.read("user.time_zone", parse_zone(user.time_zone), "must be an IANA time zone name")
    if "visibility" in taken:
        visibility = visibility_of(fields, "user.visibility", user.visibility)
    fields.ensure_valid()
    return Wish(nickname, None if zone is None else zone.key, visibility)
