"""`firewalker up` before its first process: problems are a sentence and status 1. The rest is tests/system."""

import contextlib
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firewalker.local import ports
from firewalker.local.files import locked
from firewalker.local.layout import Layout


def up(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = {name: str(port) for name, port in ports.free().items()}
    command = [sys.executable, "-m", "firewalker.local"]
    told = {**os.environ, "FIREWALKER_LOCAL_DIR": str(folder), **settings, **environment}
    return subprocess.run(command, env=told, capture_output=True, text=True, timeout=60, check=False)


def folder_with_packages(folder: Path) -> Path:
    """*folder*, with the server packages of this checkout in it: fetching them anew takes 10 s and shows nothing here."""
    layout = Layout.at(folder)
    layout.root.mkdir(parents=True, exist_ok=True)
    if (unpacked := Layout.of({}).packages).is_dir():
        layout.packages.symlink_to(unpacked)
    return layout.root


def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        done = up(tmp_path, FIREWALKER_USER_PORT=str(port))
    assert done.returncode == 1
    assert done.stderr.startswith(f"Port {port} is taken by another program")
    assert "FIREWALKER_USER_PORT" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.lock"]


def test_a_second_run_on_the_same_data_is_told_about_the_first(tmp_path: Path) -> None:
    with locked(Layout.at(tmp_path).run_lock):
        done = up(tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Another run (process {os.getpid()}) is using {tmp_path}")


def test_a_wrong_setting_is_one_sentence_without_a_traceback(tmp_path: Path) -> None:
    done = up(tmp_path, FIREWALKER_MYSQLD="/nonexistent")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "FIREWALKER_MYSQLD" in done.stderr


def test_a_data_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = up(tmp_path / "file" / "data")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert str(tmp_path / "file" / "data") in done.stderr
    assert "FIREWALKER_LOCAL_DIR" in done.stderr


def test_a_misspelt_variable_is_refused_before_anything_starts(tmp_path: Path) -> None:
    done = up(tmp_path, FIREWALKER_USR_PORT="1")
    expected = "FIREWALKER_USR_PORT: there is no such variable (did you mean FIREWALKER_USER_PORT?)\n"
    assert (done.returncode, done.stderr) == (1, expected)


@pytest.fixture
def temporary() -> Iterator[Path]:
    """An empty folder whose path is short, as that of the system's is."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.alone  # its disk is busy enough
def test_a_stop_while_mysql_makes_its_data_names_its_signal_and_is_no_alarm(tmp_path: Path, temporary: Path) -> None:
    settings = {name: str(port) for name, port in ports.free().items()}
    folder = folder_with_packages(tmp_path / ("x" * 100))
    with subprocess.Popen(
        [sys.executable, "-m", "firewalker.local"],
        env={**os.environ, **settings, "FIREWALKER_LOCAL_DIR": str(folder), "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        making = folder / "data/mysql/tables.new"
        limit = time.monotonic() + 30
        while not making.exists():
            assert time.monotonic() < limit
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C: it reaches all of a terminal's programs
        said, _ = process.communicate(timeout=90)
    assert process.returncode == 0, said
    assert "stopping (SIGINT)" in said
    assert "could not create" not in said, said
    assert "starts again" not in said, said
    assert list(temporary.glob("firewalker-*")) == []  # where sockets are that have a deep folder


def test_a_backend_ends_with_its_terminal_even_when_nobody_passes_the_signal_on(tmp_path: Path) -> None:
    settings = {name: str(port) for name, port in ports.free().items()}
    environment = {**os.environ, **settings, "FIREWALKER_LOCAL_DIR": str(folder_with_packages(tmp_path))}
    # As `make` does when it leads the session: it waits for its child, and keeps SIGHUP to itself.
    leader = f"""
import os, signal, subprocess
signal.signal(signal.SIGHUP, lambda *_: None)
child = subprocess.Popen([{sys.executable!r}, "-m", "firewalker.local"])
open({str(tmp_path / "status")!r}, "w").write(str(child.wait()))
"""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-c", leader], environment)  # noqa: S606 - becomes the leader
    said = b""
    limit = time.monotonic() + 60
    try:
        while b"is ready after" not in said:
            assert time.monotonic() < limit, said.decode()
            if select.select([terminal], [], [], 1)[0]:
                said += os.read(terminal, 65536)
        os.close(terminal)
        limit = time.monotonic() + 40
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            assert time.monotonic() < limit, "the backend outlives its terminal"
            time.sleep(0.05)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        raise
    assert (tmp_path / "status").read_text() == "0"
