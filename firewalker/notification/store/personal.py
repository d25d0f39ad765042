"""What the tables of this service hold of one person: exported, erased, or excused with a reason. A test compares it with the schema."""

from firewalker.notification.domain.quiet_hours import clock_time
from firewalker.runtime.personal_data import TOMBSTONES, PersonalTable, Shown

TABLES = (
    PersonalTable(
        "notification",
        "user_id",
        kind="notification",
        columns=("notification_id", "type", "params", "create_time", "read_time"),
        order=("notification_id",),
    ),
    PersonalTable("notification", "actor_id", not_exported="in the inboxes of others"),
    PersonalTable(
        "recipient",
        "user_id",
        kind="notification_preferences",
        columns=(
            "time_zone",
            Shown("quiet_start", text=clock_time),
            Shown("quiet_end", text=clock_time),
            "locale",
            "channels",
            "push_text",
        ),
        erased=False,
        kept="emptied with the news of the deletion; what stays keeps late news from being told",
    ),
    PersonalTable(
        "device",
        "user_id",
        kind="device",
        columns=(
            "installation_id",
            "session_id",
            "platform",
            "app_version",
            "locale",
            "register_time",
            "last_seen_time",
        ),
        order=("last_seen_time", "installation_id"),
    ),
    PersonalTable(
        "ended_session", "user_id", not_exported="kept for an hour; sessions are exported where they are opened"
    ),
    PersonalTable("push", "user_id", not_exported="the inbox once more, on its way to devices"),
    PersonalTable("push", "actor_id", not_exported="on its way to others"),
    PersonalTable("delivery", "user_id", not_exported="the inbox once more, on its way to devices"),
    PersonalTable("delivery", "actor_id", not_exported="on its way to others"),
    TOMBSTONES,
)
