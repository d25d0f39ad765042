"""A MySQL server, where one can be had: installed, or unpacked from Debian, whose stable releases have MariaDB in its place.

Debian's unstable suite has one. It is unpacked beside the other servers, with all its libraries down to the C library, and
installed nowhere; that suite changes daily, so it may be missing tomorrow.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from firewalker.local import packages
from firewalker.local.binaries import MYSQL, Binary, find, probe
from firewalker.local.layout import Layout
from firewalker.local.problems import CannotStartError

if TYPE_CHECKING:
    from collections.abc import Iterator

UNSTABLE = packages.Selection("MySQL", (("mysql-server-core",),), suite="sid")

NONE = "No MySQL server can be had on this machine, so nothing was tried on one: {}"

LAUNCHER = """\
#!/bin/sh
exec '{loader}' --library-path '{libraries}' '{server}' "$@"
"""


def servers() -> list[Binary]:
    """A MariaDB or what is installed in its place, and a MySQL if one can be had; else the output says why there is none."""
    found, mysql = [find(MYSQL, Layout.of(os.environ).packages, os.environ, _say)], real_mysql()
    if isinstance(mysql, str):
        _say(NONE.format(mysql))
    elif found[0].flavour != mysql.flavour:
        found.append(mysql)
    return found


@cache
def real_mysql() -> Binary | str:
    """The server, or why there is none."""
    for candidate in _installed():
        if (binary := probe(candidate)) and binary.flavour == "mysql":
            return binary
    if not packages.apt_is_here():
        return "none is installed, and there is no apt to unpack one with."
    try:
        root = packages.unpack(Layout.of(os.environ).root / "mysql", _say, UNSTABLE)
    except (CannotStartError, OSError) as problem:
        return f"none is installed, and none could be unpacked ({' '.join(str(problem).split())})."
    return probe(_launcher(root)) or f"the one that was unpacked in {root} does not run here."


def _installed() -> Iterator[Path]:
    named = (os.environ.get("FIREWALKER_MYSQLD"), shutil.which("mysqld"), "/usr/sbin/mysqld")
    return (Path(name) for name in named if name)


def _launcher(root: Path) -> Path:
    """A program that runs the unpacked server with the C library that it was built for."""
    libraries = root / "usr/lib" / f"{platform.machine()}-linux-gnu"
    loader = next(path for folder in (root / "usr/lib64", libraries) for path in folder.glob("ld-linux-*.so.*"))
    launcher = root / "usr/sbin/mysqld-here"
    launcher.write_text(LAUNCHER.format(loader=loader, libraries=libraries, server=root / "usr/sbin/mysqld"))
    launcher.chmod(0o755)
    return launcher


def _say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
