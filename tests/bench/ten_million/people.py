"""The people of the sample: where they live, whom they know, how they walk, and when they look. What is assumed stands here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import NamedTuple
from uuid import UUID

from firewalker.cli.walk.month import Habit, habit
from firewalker.cli.walk.people import NAMES
from firewalker.kernel.ids import UserId
from firewalker.step.domain.circle import Circle, Friend, Person
from firewalker.step.domain.goal import Goals
from firewalker.step.domain.group import GroupCircle
from firewalker.step.domain.period import Period, Span

ZONES = {
    "Asia/Seoul": 0.60, "Asia/Tokyo": 0.10, "Asia/Kolkata": 0.07, "Europe/Berlin": 0.08, "America/New_York": 0.08,
    "America/Los_Angeles": 0.07,
}  # fmt: skip
"""Where people live. Most in one zone: the peak is as high as it can be."""

MOST_FRIENDS = 500
"""As the contract allows."""

MEDIAN_FRIENDS, SPREAD_OF_FRIENDS = 18, 0.9
"""Friends are as a log-normal distribution: most have a few, some have hundreds."""

NEARBY = 0.9
"""Share of friends who live in the same zone."""

MEDIAN_GROUP, SPREAD_OF_GROUPS, LARGEST_GROUP = 8, 0.8, 200
GROUPS_OF_EACH = 1.2
"""Memberships of a person, in the mean."""

OPENINGS, SHAPE_OF_OPENINGS = 5.0, 1.2
"""How often a person opens the app in a day, in the mean, and the shape of the gamma distribution: some never, some always."""

MEDIAN_LOOK_S, SPREAD_OF_LOOKS, LONGEST_LOOK_S = 45.0, 0.8, 1_800.0
"""How long the app is open, log-normal."""

LOOKS_AT_GROUP = 0.2
"""Share of looks at a group's board, of those who are in a group."""

LOOKING_HOURS = (1, 0.5, 0.3, 0.2, 0.2, 0.5, 2, 4, 5, 3, 3, 4, 6, 4, 3, 3, 3, 4, 6, 7, 7, 7, 6, 3)
"""Weights of the local hours in which the app is opened."""

HAS_GOAL, SHARES_GOAL = 0.7, 0.5
HAS_PHONE = 0.9
"""Share of people with a device that can be pushed to."""

BACKGROUND_S = 3_300.0
"""Within so many seconds after an hour its counts come in by themselves: telephones choose when, and the hour is not over for all
at once."""

MESSAGE_S = 2.0
"""While the app is open and its owner walks, a message so often."""


class Look(NamedTuple):
    """The app is open."""

    begin: float
    """Seconds since the day of the simulation began."""
    end: float
    group: bool


@dataclass(slots=True)
class Walker:
    """One person."""

    number: int
    user: UserId
    person: Person
    habit: Habit
    part: int
    """Which part of the sample: the parts' differences are the error."""
    looks: list[Look] = field(default_factory=list)
    has_phone: bool = False
    groups: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Crowd:
    """The sample."""

    walkers: list[Walker]
    friends: list[list[int]]
    groups: list[list[int]]

    def circle(self, walker: Walker, since: datetime) -> Circle:
        """The walker and their friends."""
        return Circle(walker.person, tuple(self._friends(walker.number, self.friends[walker.number], since)))

    def group_circle(self, walker: Walker, group: int, day: date, since: datetime) -> GroupCircle:
        """The members of a group the walker is in."""
        span = Span(day, day)
        members = self.groups[group]
        return GroupCircle(
            walker.person,
            tuple(self._friends(walker.number, members, since)),
            group_id=UUID(int=group).bytes,
            period=Period.DAY,
            span=span,
            dates={self.walkers[member].user.bytes: (span,) for member in members},
        )

    def _friends(self, own: int, numbers: Sequence[int], since: datetime) -> Iterator[Friend]:
        return (Friend(self.walkers[number].person, since) for number in numbers if number != own)


def crowd(count: int, parts: int, begin: datetime, random: Random) -> Crowd:
    """*count* people, in *parts*, and what they do on the day that begins at *begin*."""
    zones = random.choices(list(ZONES), list(ZONES.values()), k=count)
    walkers = [_walker(number, zone, parts, begin, random) for number, zone in enumerate(zones)]
    friends = _friendships(zones, random)
    groups = _groups(zones, random)
    for number, members in enumerate(groups):
        for member in members:
            walkers[member].groups.append(number)
    return Crowd(walkers, friends, groups)


def _walker(number: int, zone: str, parts: int, begin: datetime, random: Random) -> Walker:
    user = UserId(seeded_id(begin, random))
    lives = habit(user.bytes, zone, random)
    goals = Goals()
    if random.random() < HAS_GOAL:
        wanted = max(1_000, round(lives.steps * random.uniform(0.8, 1.3) / 1_000) * 1_000)
        goals = Goals(((begin.date() - timedelta(days=30), wanted),), shared=random.random() < SHARES_GOAL)
    nickname = f"{NAMES[number % len(NAMES)]}{number}"
    person = Person(user.bytes, str(user), nickname, f"https://pictures.example/{user}", lives.zone, goals=goals)
    walker = Walker(number, user, person, lives, number % parts, has_phone=random.random() < HAS_PHONE)
    walker.looks = sorted(_looks(lives, begin, random))
    return walker


def _looks(lives: Habit, begin: datetime, random: Random) -> Iterator[Look]:
    """When this person opens the app within the 24 hours from *begin*."""
    mean = random.gammavariate(SHAPE_OF_OPENINGS, OPENINGS / SHAPE_OF_OPENINGS)
    for day in (begin.date() + timedelta(days=number) for number in (-1, 0, 1)):
        for hour in random.choices(range(24), LOOKING_HOURS, k=_poisson(mean, random)):
            at = datetime.combine(day, time(hour), lives.zone).astimezone(UTC) - begin
            start = at.total_seconds() + random.uniform(0, 3_600)
            long = min(random.lognormvariate(0, SPREAD_OF_LOOKS) * MEDIAN_LOOK_S, LONGEST_LOOK_S)
            if 0 <= start < 86_400 - long:
                yield Look(start, start + long, random.random() < LOOKS_AT_GROUP)


def _friendships(zones: Sequence[str], random: Random) -> list[list[int]]:
    """Whom everybody knows: everybody wants as many as the distribution says, and the wishes are paired at random."""
    near: dict[str, list[int]] = {}
    far: list[int] = []
    for number, zone in enumerate(zones):
        wanted = min(round(random.lognormvariate(0, SPREAD_OF_FRIENDS) * MEDIAN_FRIENDS), MOST_FRIENDS)
        for _ in range(wanted):
            (near.setdefault(zone, []) if random.random() < NEARBY else far).append(number)
    known: list[set[int]] = [set() for _ in zones]
    for wishes in (*near.values(), far):
        random.shuffle(wishes)
        for one, other in zip(wishes[::2], wishes[1::2], strict=False):
            if one != other:
                known[one].add(other)
                known[other].add(one)
    return [sorted(friends) for friends in known]


def _groups(zones: Sequence[str], random: Random) -> list[list[int]]:
    """Who is in which group; all of a group live in one zone."""
    by_zone: dict[str, list[int]] = {}
    for number, zone in enumerate(zones):
        by_zone.setdefault(zone, []).append(number)
    groups: list[list[int]] = []
    for people in by_zone.values():
        room = round(len(people) * GROUPS_OF_EACH)
        while room > 0:
            size = min(max(2, round(random.lognormvariate(0, SPREAD_OF_GROUPS) * MEDIAN_GROUP)), LARGEST_GROUP)
            groups.append(random.sample(people, min(size, len(people))))
            room -= size
    return groups


def seeded_id(at: datetime, random: Random) -> UUID:
    """An id as the product's (UUIDv7), but by chance that can be repeated."""
    return UUID(int=int(at.timestamp() * 1_000) << 80 | 0x7 << 76 | 0b10 << 62 | random.getrandbits(62))


def _poisson(mean: float, random: Random) -> int:
    passed, number = random.expovariate(1), 0
    while passed < mean:
        passed += random.expovariate(1)
        number += 1
    return number
