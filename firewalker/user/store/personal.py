"""What the tables of this service hold of one person: exported, erased, or excused with a reason. A test compares it with the schema."""

from collections.abc import Mapping, Sequence

from firewalker.runtime.personal_data import OUTBOX, TOMBSTONES, PersonalTable, Shown, named
from firewalker.user.domain.account import AccountState
from firewalker.user.domain.avatar import State
from firewalker.user.domain.friend_limits import CHEERS, REPORTS, REQUESTS
from firewalker.user.domain.friendship import Reach
from firewalker.user.domain.group import Role
from firewalker.user.domain.mail import MailKind
from firewalker.user.domain.provider import Provider
from firewalker.user.domain.report import Reason
from firewalker.user.domain.session import EndReason
from firewalker.user.domain.user import Visibility
from firewalker.user.store.friendships import FRIENDS, HIGH_ASKED, LOW_ASKED

_BY_HAND = "goes with the account, in the transaction of its deletion"
_PAIRS = "erased pair by pair, for the limits of the other one"


def _pairs(
    own: str, other: str, *, asked: Mapping[Reach, int], was_asked: Mapping[Reach, int]
) -> tuple[PersonalTable, ...]:
    """What the side *own* may know of its pairs: a request that was declined, or never told of, looks like one that waits."""
    them = Shown("user_id", f"{other}_id")
    name = Shown("nickname", f"(SELECT nickname FROM user WHERE user.user_id = friendship.{other}_id)")
    shows = Shown("visibility", f"{own}_shows", lambda code: Visibility(code).name)
    blocks = Shown("block_time", f"{own}_blocks")
    kinds: Sequence[tuple[str, Sequence[str | Shown], str]] = [
        ("friend", (them, name, Shown("since_time", "since"), shows), f"state = {FRIENDS}"),
        ("friend_request_sent", (them, name), f"state IN ({', '.join(map(str, asked.values()))})"),
        (
            "friend_request_received",
            (them, name, Shown("create_time", "since")),
            f"state = {was_asked[Reach.SEEN]}",
        ),
        ("block", (them, name, blocks), f"{own}_blocks IS NOT NULL"),
    ]
    return tuple(
        PersonalTable(
            "friendship",
            f"{own}_id",
            kind=kind,
            columns=columns,
            where=where,
            order=(f"{other}_id",),
            erased=False,
            kept=_PAIRS,
        )
        for kind, columns, where in kinds
    )


def _group_of(table: str) -> Shown:
    return Shown("group", f"(SELECT name FROM user_group WHERE user_group.group_id = {table}.group_id)")


_QUOTAS = {REQUESTS.code: "FRIEND_REQUEST", CHEERS.code: "CHEER", REPORTS.code: "REPORT"}

TABLES = (
    PersonalTable(
        "user",
        "user_id",
        kind="profile",
        columns=(
            "user_id",
            "nickname",
            "avatar_url",
            "time_zone",
            named("visibility", Visibility),
            "daily_goal",
            "create_time",
        ),
        erased=False,
        kept=_BY_HAND,
    ),
    PersonalTable(
        "account", "user_id", kind="account", columns=("email", "email_verify_time"), erased=False, kept=_BY_HAND
    ),
    PersonalTable(
        "account_decision",
        "user_id",
        kind="account_decision",
        # Not who of those that run the service it was.
        columns=(named("state", AccountState), "decide_time"),
        order=("decide_time", "state"),
    ),
    PersonalTable(
        "session",
        "user_id",
        kind="session",
        columns=(
            "session_id",
            "device_name",
            "installation_id",
            "create_time",
            "last_used_time",
            "end_time",
            named("end_reason", EndReason),
        ),
        order=("create_time", "session_id"),
        # Until then MySQL has to know that they ended.
        last=True,
    ),
    *_pairs("low", "high", asked=LOW_ASKED, was_asked=HIGH_ASKED),
    *_pairs("high", "low", asked=HIGH_ASKED, was_asked=LOW_ASKED),
    PersonalTable("friend_count", "user_id", not_exported="counts of what is exported"),
    PersonalTable(
        "used_quota",
        "user_id",
        kind="limited_act",
        columns=(Shown("act", "quota", _QUOTAS.__getitem__), "about_id", "used_time"),
        order=("quota", "used_time", "about_id"),
    ),
    PersonalTable(
        "used_quota",
        "about_id",
        not_exported="what others did",
        erased=False,
        kept="a count of others, gone after a day",
    ),
    PersonalTable("invite", "user_id", not_exported="codes that work like keys, gone after 7 days"),
    PersonalTable("group_invite", "user_id", not_exported="codes that work like keys, gone after 7 days"),
    PersonalTable(
        "user_report",
        "reporter_id",
        kind="report",
        columns=("user_id", named("reason", Reason), "text", "create_time"),
        order=("create_time", "report_id"),
    ),
    PersonalTable("user_report", "user_id", not_exported="told in confidence by others"),
    PersonalTable("answered_call", "user_id", not_exported="answers given once, gone after a day"),
    PersonalTable(
        "user_group",
        "owner_id",
        not_exported="the group's; that it is owned stands in the membership",
        erased=False,
        kept="handed over, or ended where there is nobody else",
    ),
    PersonalTable(
        "group_membership",
        "user_id",
        kind="group_membership",
        columns=("group_id", _group_of("group_membership"), "join_time", "leave_time", named("role", Role)),
        order=("join_time", "group_id"),
    ),
    PersonalTable("group_ban", "user_id", not_exported="the group's"),
    PersonalTable(
        "group_join_request",
        "user_id",
        kind="group_join_request",
        columns=("group_id", _group_of("group_join_request"), "create_time"),
        order=("group_id",),
    ),
    PersonalTable(
        "mail",
        "user_id",
        kind="mail",
        columns=(named("kind", MailKind), "email", "create_time", "outcome"),
        order=("create_time", "mail_id"),
    ),
    PersonalTable(
        "provider_login",
        "user_id",
        kind="provider",
        columns=(named("provider", Provider), "subject", "email", "create_time"),
        order=("provider",),
    ),
    PersonalTable(
        "avatar",
        "user_id",
        kind="avatar",
        columns=("avatar_id", "content_type", "size_bytes", "create_time"),
        where=f"shown <> {State.REMOVED.value}",
        order=("avatar_id",),
        # What a call puts in a place that it found before the deletion is looked for until then.
        last=True,
    ),
    PersonalTable("mail_token", "user_id", not_exported="worth nothing without a key, and secret with it"),
    OUTBOX,
    TOMBSTONES,
)
