"""What the tables of this service hold of one person: exported, erased, or excused with a reason. A test compares it with the schema."""

from firewalker.runtime.personal_data import OUTBOX, TOMBSTONES, PersonalTable, Shown, named, plain, truth
from firewalker.step.domain.reading import Source
from firewalker.step.domain.suspicion import Verdict
from firewalker.step.store.corrections import COUNTS


def _counts(packed: bytes) -> str:
    """The hours from 0 to 23 and the whole date, as a correction has them."""
    return " ".join(map(str, COUNTS.unpack(packed)))


TABLES = (
    PersonalTable(
        "day_device",
        "user_id",
        kind="day",
        columns=(
            "date",
            plain("device_id"),
            truth("late"),
            "revision",
            named("source", Source),
            *(f"h{hour:02}" for hour in range(24)),
            "whole_day",
            "last_reading_time",
        ),
        order=("date", "device_id", "late"),
    ),
    PersonalTable("walker", "user_id", not_exported="a copy of the profile, which the user service gives"),
    PersonalTable("friend", "user_id", not_exported="a copy of the friendships, which the user service gives"),
    PersonalTable(
        "friend",
        "friend_id",
        not_exported="a copy of the friendships, which the user service gives",
        erased=False,
        kept="erased with the row of the other direction",
    ),
    PersonalTable("block", "blocker_id", not_exported="a copy of the blocks, which the user service gives"),
    PersonalTable("block", "blocked_id", not_exported="what others did"),
    PersonalTable("walker_zone", "user_id", not_exported="a copy of the profile, which the user service gives"),
    PersonalTable(
        "goal", "user_id", kind="goal", columns=("first_date", "end_date", "daily_steps"), order=("first_date",)
    ),
    PersonalTable("goal_owner", "user_id", not_exported="settings of the goals that are exported"),
    PersonalTable("goal_reached", "user_id", kind="goal_reached", columns=("date",), order=("date",)),
    PersonalTable(
        "correction",
        "user_id",
        kind="correction",
        columns=(
            "date",
            plain("device_id"),
            "revision",
            Shown("walked", text=_counts),
            Shown("counted", text=_counts),
            "reason",
            "create_time",
        ),
        order=("date", "revision"),
    ),
    PersonalTable(
        "day_review",
        "user_id",
        kind="day_review",
        columns=("date", named("verdict", Verdict), "notice_time", "review_time"),
        order=("date",),
    ),
    PersonalTable("overtake", "low_id", not_exported="notes against telling twice, gone after hours"),
    PersonalTable("overtake", "high_id", not_exported="notes against telling twice, gone after hours"),
    PersonalTable("overtake_told", "user_id", not_exported="a count of pushes of a day"),
    PersonalTable("frozen_board", "user_id", not_exported="what others walked; the own days are exported"),
    PersonalTable("group_change", "user_id", not_exported="a copy of the memberships, which the user service gives"),
    OUTBOX,
    TOMBSTONES,
)
