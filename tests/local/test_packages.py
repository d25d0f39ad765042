"""Unpacking happens once, completely or not at all. The fetching itself is proven by every run that ignores installed servers."""

import platform
import threading
from pathlib import Path

import pytest

from firewalker.local import packages
from firewalker.local.problems import CannotStartError


def quiet(_text: str) -> None: ...


@pytest.fixture
def fetches(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    calls: list[Path] = []

    def fetch(work: Path, *_: object) -> None:
        calls.append(work)
        (work / "root/usr/bin").mkdir(parents=True)

    monkeypatch.setattr(packages, "_fetch_and_unpack", fetch)
    return calls


def test_a_complete_folder_is_left_alone(tmp_path: Path, fetches: list[Path]) -> None:
    for _ in range(3):
        assert packages.unpack(tmp_path / "packages", quiet) == tmp_path / "packages"
    assert len(fetches) == 1
    assert (tmp_path / "packages/usr/bin").is_dir()


def test_what_an_interrupted_run_left_does_not_count_and_goes_away(tmp_path: Path, fetches: list[Path]) -> None:
    (tmp_path / "packages/usr/sbin").mkdir(parents=True)
    (tmp_path / "packages.new-abc/root").mkdir(parents=True)
    packages.unpack(tmp_path / "packages", quiet)
    assert len(fetches) == 1
    assert not (tmp_path / "packages/usr/sbin").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["packages", "packages.lock"]


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(work: Path, *_: object) -> None:
        (work / "root").mkdir()
        raise CannotStartError("no network")

    monkeypatch.setattr(packages, "_fetch_and_unpack", fail)
    with pytest.raises(CannotStartError, match="no network"):
        packages.unpack(tmp_path / "packages", quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["packages.lock"]


def test_several_at_once_do_the_work_once(tmp_path: Path, fetches: list[Path]) -> None:
    threads = [threading.Thread(target=packages.unpack, args=(tmp_path / "packages", quiet)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fetches) == 1


def test_servers_that_are_installed_are_unpacked_all_the_same_and_installed_libraries_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {
        "apt-cache": "mariadb-server-core\nmariadb-client-core\nredis-tools\nlibc6\nliburing2\n",
        "apt-get": "Inst libc6 (2.36)\nInst liburing2 (2.3)\nInst mariadb-server-core (10.11)\nInst redis-tools (7)\nConf libc6\n",
        "dpkg-query": "libc6 installed\nmariadb-server-core installed\nliburing2 config-files\n",
    }
    monkeypatch.setattr(packages, "_run", lambda command, *_: answers[command[0]])
    assert packages._names(tmp_path, {}, packages.SERVERS) == [
        "liburing2",
        "mariadb-client-core",
        "mariadb-server-core",
        "redis-tools",
    ]


def test_a_distribution_without_the_packages_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_run", lambda *_: "libc6\n")
    with pytest.raises(CannotStartError, match="do not offer the packages of MariaDB and Redis"):
        packages._names(tmp_path, {}, packages.SERVERS)


def test_a_large_download_is_told_of_in_portions() -> None:
    plan = "'http://mirror/pool/a_1%2b2_amd64.deb' a_1%2b2_amd64.deb 20000000 SHA256:0\n'http://mirror/b_1_all.deb' b_1_all.deb 9000000 SHA256:1\n"
    sizes = packages._sizes(plan)
    assert sizes == {"a": 20_000_000, "b": 9_000_000}
    assert list(packages._portions(["a", "b", "c"], sizes)) == [["a", "b"], ["c"]]


@pytest.mark.parametrize("apt_complains", [True, False])
def test_without_a_network_the_network_is_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, apt_complains: bool
) -> None:
    (tmp_path / "state/lists/partial").mkdir(parents=True)
    (tmp_path / "state/lists/lock").touch()

    def run(*_: object) -> str:
        if apt_complains:
            raise CannotStartError("`apt-get` failed:\nE: Could not resolve 'mirror.example'")
        return ""

    monkeypatch.setattr(packages, "_run", run)
    with pytest.raises(CannotStartError, match="package sources of this system could not be reached"):
        packages._update(tmp_path, {})


def test_one_source_in_trouble_is_blamed_only_if_something_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state/lists").mkdir(parents=True)
    (tmp_path / "state/lists/one_InRelease").touch()

    def fail(*_: object) -> str:
        raise CannotStartError("`apt-get` failed:\nE: two does not answer")

    monkeypatch.setattr(packages, "_run", fail)
    why = packages._update(tmp_path, {})
    assert why == "E: two does not answer"
    monkeypatch.setattr(packages, "_run", lambda *_: "libc6\n")
    with pytest.raises(CannotStartError, match=r"Some package sources .* could not be reached.*two does not answer"):
        packages._names(tmp_path, {}, packages.SERVERS, why)


def test_another_suite_is_read_from_where_the_system_has_its_release_from_and_taken_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"VERSION_CODENAME": "present"})
    answers = {
        "apt-config": 'Acquire::Retries "1";\n',
        "apt-get": "other http://other.example/\npresent http://mirror.example/debian/\nInst libc6 (3)\nInst server (9)\n",
        "apt-cache": "libc6\nserver\n",
        "dpkg-query": "libc6 installed\n",
    }
    monkeypatch.setattr(packages, "_run", lambda command, *_: answers[command[0]])
    newer = packages.Selection("a server", (("server",),), suite="newer")
    packages._apt_environment(tmp_path, newer.suite)
    assert (tmp_path / "sources.list").read_text() == "deb http://mirror.example/debian/ newer main\n"
    assert f'Dir::Etc::sourcelist "{tmp_path / "sources.list"}";' in (tmp_path / "apt.conf").read_text()
    assert packages._names(tmp_path, {}, newer) == ["libc6", "server"]
