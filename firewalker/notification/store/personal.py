"""What the tables of this service hold of one person: exported, erased, or excused with a reason. A test compares it with the schema."""

from firewalker.runtime.personal_data import PersonalTable

TABLES = (
    PersonalTable(
        "notification",
        "user_id",
        kind="notification",
        columns=("notification_id", "type", "params", "create_time", "read_time"),
        order=("notification_id",),
    ),
    PersonalTable(
        "tombstone",
        "user_id",
        not_exported="there is none as long as there is a person",
        erased=False,
        kept="keeps late arrivals and old backups from bringing anybody back",
    ),
)
