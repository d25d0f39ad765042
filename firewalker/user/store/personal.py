"""What the tables of this service hold of one person: exported, erased, or excused with a reason. A test compares it with the schema."""

from firewalker.runtime.personal_data import PersonalTable

_BY_HAND = "goes with the account, in the transaction of its deletion"
_PAIRS = "erased pair by pair, for the limits of the other one"

TABLES = (
    PersonalTable(
        "user",
        "user_id",
        kind="profile",
        columns=("user_id", "nickname", "avatar_url", "time_zone", "create_time"),
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
        columns=("high_id", "state", "since"),
        order=("high_id",),
        erased=False,
        kept=_PAIRS,
    ),
    PersonalTable(
        "friendship",
        "high_id",
        kind="friend",
        columns=("low_id", "state", "since"),
        order=("low_id",),
        erased=False,
        kept=_PAIRS,
    ),
    PersonalTable("friend_count", "user_id", not_exported="counts of what is exported"),
    PersonalTable(
        "sent_friend_request",
        "user_id",
        kind="sent_friend_request",
        columns=("addressee_id", "sent_time"),
        order=("sent_time", "addressee_id"),
    ),
    PersonalTable(
        "sent_friend_request",
        "addressee_id",
        not_exported="the sender's",
        erased=False,
        kept="a count of the sender's, gone after a day",
    ),
    PersonalTable(
        "mail", "user_id", kind="mail", columns=("email", "create_time", "outcome"), order=("create_time", "mail_id")
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
