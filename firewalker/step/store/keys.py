"""What the rows of days are found by, and conditions for many of them at once."""

from collections.abc import Iterable
from datetime import date

ROWS_PER_STATEMENT = 500
"""Rows of one upsert, and users of one query: beyond some hundred the cost per row no longer falls, the locks' time grows."""

UserDate = tuple[bytes, date]
DeviceDate = tuple[bytes, date, str]


def stretches(keys: Iterable[UserDate]) -> Iterable[tuple[str, list[object]]]:
    """Conditions for *keys*, at most `ROWS_PER_STATEMENT` in each, with their parameters."""
    by_date: dict[date, list[bytes]] = {}
    for user, day in keys:
        by_date.setdefault(day, []).append(user)
    parts: list[str] = []
    params: list[object] = []
    room = ROWS_PER_STATEMENT
    for day, users in by_date.items():
        rest = sorted(users)
        while rest:
            some, rest = rest[:room], rest[room:]
            parts.append(f"date = %s AND user_id IN ({','.join(['%s'] * len(some))})")
            params += [day, *some]
            room -= len(some)
            if room == 0:
                yield " OR ".join(parts), params
                parts, params, room = [], [], ROWS_PER_STATEMENT
    if parts:
        yield " OR ".join(parts), params
