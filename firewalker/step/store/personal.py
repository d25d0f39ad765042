"""What the tables of this service hold of one person: exported, erased, or excused with a reason. A test compares it with the schema."""

from firewalker.runtime.personal_data import PersonalTable

TABLES = (
    PersonalTable(
        "day_device",
        "user_id",
        kind="day",
        columns=("date", "device_id", "late", *(f"h{hour:02}" for hour in range(24)), "whole_day", "last_reading_time"),
        order=("date", "device_id", "late"),
    ),
    PersonalTable("walker", "user_id", not_exported="a copy of the profile, which the user service gives"),
    PersonalTable("friend", "user_id", not_exported="a copy of the friendships, which the user service gives"),
    PersonalTable("friend", "friend_id", not_exported="a copy of the friendships, which the user service gives"),
    PersonalTable(
        "tombstone",
        "user_id",
        not_exported="there is none as long as there is a person",
        erased=False,
        kept="keeps late arrivals and old backups from bringing anybody back",
    ),
)
