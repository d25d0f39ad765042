"""What the tables of this service hold of one person: exported, erased, or excused with a reason. A test compares it with the schema."""

from firewalker.runtime.personal_data import PersonalTable

_BY_HAND = "goes with the account, in the transaction of its deletion"
_PAIRS = "erased pair by pair, for the limits of the other one"

TABLES = (
    PersonalTable(
        "user",
        "user_id",
        kind="profile",
        columns=("user_id", "nickname", "avatar_url", "time_zone", "visibility", "daily_goal", "create_time"),
        erased=False,
        kept=_BY_HAND,
    ),
    PersonalTable(
        "account", "user_id", kind="account", columns=("email", "email_verify_time"), erased=False, kept=_BY_HAND
    ),
    PersonalTable(
        "session",
        "user_id",
        kind="session",
        columns=("session_id", "device_name", "installation_id", "create_time", "last_used_time", "end_time"),
        order=("create_time", "session_id"),
        # Until then MySQL has to know that they ended.
        last=True,
    ),
    PersonalTable(
        "friendship",
        "low_id",
        kind="friend",
        columns=("high_id", "state", "since", "low_blocks", "low_shows"),
        order=("high_id",),
        erased=False,
        kept=_PAIRS,
    ),
    PersonalTable(
        "friendship",
        "high_id",
        kind="friend",
        columns=("low_id", "state", "since", "high_blocks", "high_shows"),
        order=("low_id",),
        erased=False,
        kept=_PAIRS,
    ),
    PersonalTable("friend_count", "user_id", not_exported="counts of what is exported"),
    PersonalTable(
        "used_quota",
        "user_id",
        kind="limited_act",
        columns=("quota", "about_id", "used_time"),
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
        columns=("user_id", "reason", "text", "create_time"),
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
        columns=("group_id", "join_time", "leave_time", "role"),
        order=("join_time", "group_id"),
    ),
    PersonalTable("group_ban", "user_id", not_exported="the group's"),
    PersonalTable(
        "group_join_request",
        "user_id",
        kind="group_join_request",
        columns=("group_id", "create_time"),
        order=("group_id",),
    ),
    PersonalTable(
        "mail", "user_id", kind="mail", columns=("email", "create_time", "outcome"), order=("create_time", "mail_id")
    ),
    PersonalTable(
        "provider_login",
        "user_id",
        kind="provider",
        columns=("provider", "subject", "email", "create_time"),
        order=("provider",),
    ),
    PersonalTable(
        "avatar",
        "user_id",
        kind="avatar",
        columns=("avatar_id", "content_type", "size_bytes", "create_time"),
        order=("avatar_id",),
    ),
    PersonalTable("mail_token", "user_id", not_exported="worth nothing without a key, and secret with it"),
    PersonalTable(
        "tombstone",
        "user_id",
        not_exported="there is none as long as there is a person",
        erased=False,
        kept="keeps late arrivals and old backups from bringing anybody back",
    ),
)
