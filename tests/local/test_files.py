"""Private folders, whole files, one process at a time."""

import errno
import os
import stat
import tempfile
from pathlib import Path

import pytest

from firewalker.local.files import (
    MAX_SOCKET_PATH_BYTES,
    locked,
    make_private_folder,
    remove_socket_folder,
    socket_folder,
    write_whole,
)
from firewalker.local.problems import CannotStartError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_that_others_could_read_is_closed(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    assert mode(make_private_folder(tmp_path / "open")) == 0o700


def test_a_file_is_replaced_as_a_whole_and_private(tmp_path: Path) -> None:
    write_whole(tmp_path / "key", b"old")
    write_whole(tmp_path / "key", b"new")
    assert (tmp_path / "key").read_bytes() == b"new"
    assert mode(tmp_path / "key") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_failed_write_changes_nothing(tmp_path: Path) -> None:
    write_whole(tmp_path / "key", b"old")
    with pytest.raises(TypeError):
        write_whole(tmp_path / "key", "text")  # type: ignore[arg-type]
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("key", b"old")]


def test_a_second_holder_is_told_about_the_first(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "lock", busy="{pid} runs"),
        pytest.raises(CannotStartError, match=f"^{os.getpid()} runs$"),
        locked(tmp_path / "lock", busy="{pid} runs"),
    ):
        pass
    with locked(tmp_path / "lock", busy="{pid} runs"):
        pass


def test_a_short_socket_folder_is_kept_and_a_long_one_is_replaced_by_the_same_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert socket_folder(tmp_path / "s") == tmp_path / "s"
    long = tmp_path / ("x" * MAX_SOCKET_PATH_BYTES)
    short = socket_folder(long)
    assert short == socket_folder(long) != socket_folder(long.with_name("y" * MAX_SOCKET_PATH_BYTES))
    assert mode(short) == 0o700
    assert not long.exists()


def test_a_temporary_directory_that_is_too_deep_itself_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("t" * MAX_SOCKET_PATH_BYTES)))
    short = socket_folder(tmp_path / ("x" * MAX_SOCKET_PATH_BYTES))
    assert len(str(short / "mysql.sock")) <= MAX_SOCKET_PATH_BYTES
    remove_socket_folder(short)
    assert not short.exists()


def test_a_socket_folder_that_is_a_link_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    long = tmp_path / ("x" * MAX_SOCKET_PATH_BYTES)
    short = socket_folder(long)
    short.rmdir()
    (tmp_path / "elsewhere").mkdir()
    short.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CannotStartError, match="is not a folder of yours"):
        socket_folder(long)


def test_a_folder_that_cannot_be_made_is_a_sentence_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CannotStartError, match=f"{path}.*FIREWALKER_LOCAL_DIR"):
            make_private_folder(path)


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC, errno.EROFS])
def test_what_the_system_refuses_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
    told = f"{os.strerror(number)}. Set FIREWALKER_LOCAL_DIR"
    with pytest.raises(CannotStartError, match=told):
        make_private_folder(tmp_path / "new")
    with pytest.raises(CannotStartError, match=told):
        write_whole(tmp_path / "key", b"key")
    with pytest.raises(CannotStartError, match=told), locked(tmp_path / "lock"):
        pass


def test_an_empty_socket_folder_under_the_temporary_directory_goes_away_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    short, beside = socket_folder(tmp_path / ("x" * MAX_SOCKET_PATH_BYTES)), socket_folder(tmp_path / "run")
    (short / "mysql.sock").touch()
    remove_socket_folder(short)
    assert short.exists()
    (short / "mysql.sock").unlink()
    remove_socket_folder(short)
    remove_socket_folder(beside)
    assert (short.exists(), beside.exists()) == (False, True)
