"""Who walks: names, addresses, passwords and time zones of simulated people. Pure but for the passwords.

Names are new in every run; everything else follows the seed.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from random import Random

NAMES = (
    "Jisoo", "Minjun", "Haneul", "Seoyeon", "Doyun", "Areum", "Bora", "Yuna", "Taeho", "Sora", "Aiko", "Kenta",
    "Mei", "Wei", "Priya", "Arjun", "Lena", "Jonas", "Clara", "Emil", "Nora", "Oscar", "Maya", "Theo",
    "Ines", "Rafael", "Amara", "Kofi", "Zoe", "Ada", "Grace", "Linus", "Edsger", "Barbara", "Alan", "Radia",
)  # fmt: skip

ZONES = (
    "Pacific/Auckland", "Asia/Seoul", "Asia/Kolkata", "Europe/Berlin", "America/Sao_Paulo", "America/New_York",
    "America/Los_Angeles", "Pacific/Honolulu",
)  # fmt: skip
"""Where people live."""

AT_HOME = 0.8
"""Share of the people who live where it is afternoon now. Only with friends on the same date there is a contest."""

AFTERNOON = 15

SUFFIX_ALPHABET = "bcdfghjkpqstwxz"
"""No vowels, so that no words come out; no letters that look like others, alone or in pairs: nicknames are unique
without regard to look-alikes."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is about to sign up."""

    nickname: str
    email: str
    password: str
    time_zone: str


def run_name() -> str:
    """A name for one run, so that runs do not take each other's names."""
    return "".join(secrets.choice(SUFFIX_ALPHABET) for _ in range(5))


def afternoon_zone(now: datetime) -> str:
    """The zone in which it is nearest to 15 o'clock at *now*: the day has a history and is not over soon."""
    return min(ZONES, key=lambda zone: abs(now.astimezone(ZoneInfo(zone)).hour - AFTERNOON))


def people(count: int, random: Random, run: str, home: str) -> Iterator[Person]:
    """*count* people, most of them and the first in the zone *home*. Names that repeat are told apart by a number."""
    for index in range(count):
        name = NAMES[index % len(NAMES)]
        turn = index // len(NAMES)
        nickname = f"{name}{turn + 1 if turn else ''}-{run}"
        yield Person(
            nickname=nickname,
            email=f"{nickname.lower()}@walkers.example",
            password=secrets.token_urlsafe(15),
            time_zone=home if index == 0 or random.random() < AT_HOME else random.choice(ZONES),
        )
