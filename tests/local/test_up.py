"""`firewalker up` before its first process: problems are a sentence and status 1. The rest is tests/system."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from firewalker.local import ports
from firewalker.local.files import locked
from firewalker.local.layout import Layout


def up(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = {name: str(port) for name, port in ports.free().items()}
    command = [sys.executable, "-m", "firewalker.local"]
    told = {**os.environ, "FIREWALKER_LOCAL_DIR": str(folder), **settings, **environment}
    return subprocess.run(command, env=told, capture_output=True, text=True, timeout=30, check=False)


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
