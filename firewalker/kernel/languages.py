"""Which language people are written to in who have chosen none."""

_KOREAN_ZONES = frozenset({"Asia/Seoul", "Asia/Pyongyang", "ROK"})


def lives_in_korean(time_zone: str) -> bool:
    """Whether somebody who lives by *time_zone* is written to in Korean: it is all that is known at sign-up."""
    return time_zone in _KOREAN_ZONES
