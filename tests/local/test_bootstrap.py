"""Set-up of the environment: what is read out of the lock and of pip's configuration. Whole runs are what `.ci/run` does."""

import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "bootstrap.py"


@pytest.fixture
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PipSays = Callable[..., None]


@pytest.fixture
def pip_says(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> PipSays:
    for name in [name for name in os.environ if name.startswith(("UV_", "SSL_"))]:
        monkeypatch.delenv(name)

    def say(*lines: str) -> None:
        monkeypatch.setattr(bootstrap, "pip", lambda _python, _arguments: "\n".join(lines))

    return say


def test_pips_index_and_certificates_reach_uv(bootstrap: ModuleType, pip_says: PipSays, tmp_path: Path) -> None:
    pip_says(
        "global.index-url='https://mirror.example/simple'",
        "global.extra-index-url='\\nhttps://one.example\\nhttps://two.example'",
        "global.cert='/etc/ca.pem'",
        f":env:.find-links='{tmp_path} /nonexistent https://wheels.example'",
    )
    made = bootstrap.uv_environment(Path("python"))
    assert made["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert made["UV_INDEX"] == "https://one.example https://two.example"
    assert made["SSL_CERT_FILE"] == "/etc/ca.pem"
    assert made["UV_FIND_LINKS"] == f"{tmp_path},https://wheels.example"
    assert made["UV_PYTHON_DOWNLOADS"] == "never"
    assert "UV_SYSTEM_CERTS" not in made


def test_without_certificates_named_uv_uses_those_of_the_system(bootstrap: ModuleType, pip_says: PipSays) -> None:
    pip_says()
    made = bootstrap.uv_environment(Path("python"))
    assert made["UV_SYSTEM_CERTS"] == "true"
    assert "UV_DEFAULT_INDEX" not in made


def test_what_is_set_for_uv_itself_stays(
    bootstrap: ModuleType, pip_says: PipSays, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip_says("global.index-url='https://mirror.example/simple'")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://mine.example")
    assert bootstrap.uv_environment(Path("python"))["UV_DEFAULT_INDEX"] == "https://mine.example"


def test_the_setting_closest_to_the_command_wins(bootstrap: ModuleType, pip_says: PipSays) -> None:
    pip_says(
        ":env:.timeout='3'",
        "install.timeout='2'",
        "global.timeout='1'",
        "global.retries='7'",
        "freeze.retries='9'",
        "no line",
    )
    assert bootstrap.pip_settings(Path("python")) == {"timeout": "3", "retries": "7"}


def test_uv_is_installed_as_the_lock_pins_it(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def pip(_python: Path, arguments: list[str]) -> str:
        assert "--require-hashes" in arguments
        seen.append(Path(arguments[-1]).read_text())
        return ""

    monkeypatch.setattr(bootstrap, "pip", pip)
    bootstrap.install_uv(Path("python"), (SCRIPT.parent / "lock" / "dev.txt").read_text())
    (only,) = seen
    assert only.startswith("uv==")
    assert only.count("==") == 1
    assert only.count("--hash=sha256:") > 1


def test_a_folder_that_is_no_environment_is_not_removed(bootstrap: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "work").write_text("mine")
    with pytest.raises(bootstrap.SetUpError, match="is no virtual environment"):
        bootstrap.make_venv(tmp_path)
    assert (tmp_path / "work").exists()


def test_a_finished_environment_costs_nothing(
    bootstrap: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("")
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/python").symlink_to(sys.executable)
    (tmp_path / "venv" / bootstrap.STAMP).write_text(bootstrap.fingerprint(tmp_path / "venv", lock))
    bootstrap.set_up(tmp_path / "venv", lock)
    assert capfd.readouterr().out == ""


def test_a_failed_step_is_told_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("mine")
    command = [sys.executable, str(SCRIPT), "--venv", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr == f"set-up: {tmp_path} is there and is no virtual environment; move it away.\n"


@pytest.mark.alone
def test_without_a_network_there_is_one_sentence_and_the_details_are_in_a_file(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        index = f"http://127.0.0.1:{unused.getsockname()[1]}/simple"
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", index)
    monkeypatch.setattr(bootstrap, "LOG", tmp_path / ".local/setup.log")
    lock = tmp_path / "lock.txt"
    lock.write_text("uv==0.1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    began = time.monotonic()
    with pytest.raises(
        bootstrap.UnreachableError, match=r"the package index cannot be reached.*PIP_INDEX_URL"
    ) as raised:
        bootstrap.install_locked(Path(sys.executable), lock)
    assert time.monotonic() - began < 12
    assert "\n" not in str(raised.value)
    assert "with pip" not in capfd.readouterr().out
    assert "Retrying" in (tmp_path / ".local/setup.log").read_text()


def test_retries_that_the_person_set_stay(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []

    def run(_command: list[str], environment: dict[str, str]) -> str:
        seen.append(environment)
        return ""

    monkeypatch.setattr(bootstrap, "run", run)
    monkeypatch.setenv("PIP_RETRIES", "9")
    bootstrap.pip(Path("python"), ["install", "uv"])
    monkeypatch.delenv("PIP_RETRIES")
    monkeypatch.setattr(bootstrap, "pip_settings", lambda _python: {})
    bootstrap.pip(Path("python"), ["install", "uv"])
    assert [environment["PIP_RETRIES"] for environment in seen] == ["9", bootstrap.TRIES]
