"""Where a secret setting of a service comes from: a file or a variable of its own, else what counts for all services."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

SHARED: Final = frozenset({"REDIS_URL"})
"""What ``FIREWALKER_<FIELD>``, or the file that ``FIREWALKER_<FIELD>_FILE`` names, sets for every service."""


class Source(NamedTuple):
    """A variable that is set."""

    variable: str
    is_file: bool
    """Whether it names a file that holds the value."""
    of_all: bool
    """Whether it is the same for all services."""


def source(environment: Mapping[str, str], service: str, field: str) -> Source | None:
    """What sets *field* (``MYSQL_URL``, ``REDIS_URL``, …) of *service*; None if nothing does."""
    own = f"FIREWALKER_{service.upper()}_{field}"
    candidates = [Source(f"{own}_FILE", is_file=True, of_all=False), Source(own, is_file=False, of_all=False)]
    if field in SHARED:
        shared = f"FIREWALKER_{field}"
        candidates.append(Source(shared, is_file=False, of_all=True))
        candidates.append(Source(f"{shared}_FILE", is_file=True, of_all=True))
    return next((candidate for candidate in candidates if environment.get(candidate.variable)), None)


def value(environment: Mapping[str, str], found: Source) -> str:
    """What *found* sets.

    Raises:
        OSError, UnicodeError: Its file cannot be read.
    """
    text = environment[found.variable]
    return Path(text).read_text(encoding="utf-8").strip() if found.is_file else text


def given(environment: Mapping[str, str], service: str, field: str) -> str:
    """The value of *field* of *service*; empty if nothing sets it.

    Raises:
        OSError, UnicodeError: The file that it is in cannot be read.
    """
    found = source(environment, service, field)
    return "" if found is None else value(environment, found)
