"""Makes the virtual environment of a checkout: `python3 deploy/bootstrap.py [--runtime]`; with `--lock NAME`, one of tools.

Standard library only, any Python from 3.11 on. The locked requirements, each with its hash, are installed through uv, or
through pip where uv cannot be had; then the project itself, editable. A stamp makes a repeated run cost nothing. It
knows package clients and their settings, and nothing of the project but its files' places.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OLDEST = (3, 11)
PROJECT = Path(__file__).resolve().parent.parent
LIMIT_S = 900
"""Longest that one step may take: a download over a slow line."""
LOG = PROJECT / ".local" / "setup.log"
"""What failed programs printed, of the last set-up only."""
STAMP = ".firewalker-stamp"
SECTIONS = ("global", "install", ":env:")
"""Of pip's configuration, the sections that `pip install` reads, the strongest last."""


UNREACHABLE = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeoutError|Max retries exceeded|ProxyError|NameResolutionError"
    r"|Failed to establish a new connection|name resolution|Name or service not known|Network is unreachable"
    r"|Connection refused|No route to host|dns error|tcp connect error|error sending request|client error \(Connect\)"
)
"""How pip and uv say that they did not get through to an index."""
TRIES = "2"
"""pip's retries where the person set none: its own five take 17 s to say that there is no network."""


class SetUpError(Exception):
    """Set-up cannot go on; the text is a sentence for the person at the terminal."""


class UnreachableError(SetUpError):
    """The package index does not answer; another client would not reach it either."""


class Verbosity:
    """Whether what failed programs print is shown, besides being kept in `LOG`."""

    shown = False


def main() -> int:
    """Set up and return the exit status; problems are one sentence on standard error."""
    parser = argparse.ArgumentParser(description="Make the virtual environment of this checkout.")
    parser.add_argument(
        "--runtime", action="store_true", help="only what a running backend needs, no tools for development"
    )
    parser.add_argument(
        "--lock", metavar="NAME", help="tools alone, those of deploy/lock/NAME.txt, without the project (needs --venv)"
    )
    parser.add_argument("--venv", type=Path, default=PROJECT / ".venv", help="where (default: .venv)")
    parser.add_argument("-v", "--verbose", action="store_true", help="show all that failed programs print")
    options = parser.parse_args()
    Verbosity.shown = options.verbose
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:3]))
        sys.stderr.write(
            f"set-up: Firewalker needs Python 3.11 or later; {sys.executable} is {found}. Try: make PYTHON=...\n"
        )
        return 1
    if options.lock and options.venv == parser.get_default("venv"):
        parser.error("--lock needs a --venv of its own")
    lock = PROJECT / "deploy/lock" / f"{options.lock or ('runtime' if options.runtime else 'dev')}.txt"
    try:
        set_up(options.venv.absolute(), lock, with_project=not options.lock)
    except SetUpError as problem:
        sys.stderr.write(f"set-up: {problem}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("set-up: interrupted; run it again to go on.\n")
        return 130
    return 0


def set_up(venv: Path, lock: Path, *, with_project: bool = True) -> None:
    """Bring *venv* to what *lock* says, unless its stamp says it is there already."""
    stamp, python = venv / STAMP, venv / "bin" / "python"
    with one_at_a_time():
        wanted = fingerprint(venv, lock, with_project=with_project)
        with contextlib.suppress(OSError):
            if stamp.read_text(encoding="ascii") == wanted and python.exists():
                return
        began = time.monotonic()
        with contextlib.suppress(OSError):
            LOG.unlink(missing_ok=True)
        if usable(python):
            stamp.unlink(missing_ok=True)
        else:
            with step("making the virtual environment"):
                make_venv(venv)
        install_locked(python, lock)
        if with_project:
            with step("installing the project itself, editable"):
                install_project(python)
        stamp.write_text(fingerprint(venv, lock, with_project=with_project), encoding="ascii")
        say(f"environment ready in {venv} after {time.monotonic() - began:.1f} s\n")


def fingerprint(venv: Path, lock: Path, *, with_project: bool = True) -> str:
    """What decides whether an environment is up to date: lock, project file, this script, and the environment's Python."""
    digest = hashlib.sha256(os.fsencode(venv))
    project = [PROJECT / "pyproject.toml"] if with_project else []
    for file in (lock, *project, Path(__file__), venv / "pyvenv.cfg"):
        with contextlib.suppress(FileNotFoundError):
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def usable(python: Path) -> bool:
    """Whether *python* runs, is new enough and has pip."""
    return python.exists() and succeeds(python, f"import sys, pip; sys.exit(sys.version_info < {OLDEST})")


def succeeds(python: Path, code: str) -> bool:
    """Whether *code* runs well in that Python."""
    return subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0  # noqa: S603


def make_venv(venv: Path) -> None:
    """Make an empty environment, in the place of one that does not work."""
    for module in ("venv", "ensurepip"):
        # Distributions split them off; the text of the failure that would follow explains little.
        if importlib.util.find_spec(module) is None:
            message = f"{sys.executable} has no module {module}; install it (on Debian and Ubuntu: apt-get install python3-venv)."
            raise SetUpError(message)
    if venv.exists() and not (venv / "pyvenv.cfg").exists() and any(venv.iterdir()):
        message = f"{venv} is there and is no virtual environment; move it away."
        raise SetUpError(message)
    shutil.rmtree(venv, ignore_errors=True)
    run([sys.executable, "-m", "venv", str(venv)], own_environment())


def install_locked(python: Path, lock: Path) -> None:
    """Install exactly the packages of *lock*, every file checked against its hash."""
    requirements = lock.read_text(encoding="utf-8")
    count = len(re.findall(r"^[a-z0-9][^ =]*==", requirements, flags=re.MULTILINE))
    options = ["install", "--no-deps", "--require-hashes", "--requirement", str(lock)]
    try:
        with step("installing uv"):
            install_uv(python, requirements)
        with step(f"installing {count} locked packages with uv"):
            uv = [
                str(python),
                "-m",
                "uv",
                "pip",
                *options,
                "--python",
                str(python),
                "--compile-bytecode",
                "--no-progress",
            ]
            run(uv, uv_environment(python))
    except UnreachableError:
        raise
    except SetUpError as problem:
        say(f"uv cannot be used ({problem}); pip does the same, more slowly\n")
        with step(f"installing {count} locked packages with pip"):
            pip(python, options)


def install_uv(python: Path, requirements: str) -> None:
    """Install uv as the lock pins it; the newest if the lock does not know it."""
    pinned = re.search(r"^uv==[^\n]+\\\n(?:[ ]+--hash=[^\n]+\n)+", requirements, flags=re.MULTILINE)
    if pinned is None:
        pip(python, ["install", "uv"])
        return
    with tempfile.TemporaryDirectory() as folder:
        only = Path(folder, "uv.txt")
        only.write_text(pinned.group(), encoding="utf-8")
        pip(python, ["install", "--no-deps", "--require-hashes", "--requirement", str(only)])


def install_project(python: Path) -> None:
    """Make the checkout importable, and its commands callable where the build backend is among the packages."""
    if succeeds(python, "import hatchling"):
        pip(python, ["install", "--no-deps", "--no-build-isolation", "--no-index", "--editable", str(PROJECT)])
        return
    where = run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], own_environment()
    ).strip()
    Path(where, "firewalker.pth").write_text(f"{PROJECT}\n", encoding="utf-8")


def uv_environment(python: Path) -> dict[str, str]:
    """The environment in which uv reaches packages as pip does here: uv reads no pip configuration.

    What the person set for uv itself stays.
    """
    told = pip_settings(python)
    made = {"UV_PYTHON_DOWNLOADS": "never"}
    for setting, variable in (
        ("index-url", "UV_DEFAULT_INDEX"),
        ("cert", "SSL_CERT_FILE"),
        ("timeout", "UV_HTTP_TIMEOUT"),
        ("default-timeout", "UV_HTTP_TIMEOUT"),
        ("retries", "UV_HTTP_RETRIES"),
        ("proxy", "ALL_PROXY"),
    ):
        if setting in told:
            made[variable] = told[setting]
    if "trusted-host" in told:
        made["UV_INSECURE_HOST"] = " ".join(told["trusted-host"].split())
    if "extra-index-url" in told:
        made["UV_INDEX"] = " ".join(told["extra-index-url"].split())
        made["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip chooses; the hashes make it safe
    links = [link for link in told.get("find-links", "").split() if "://" in link or Path(link).is_dir()]
    if links:
        made["UV_FIND_LINKS"] = ",".join(links)
    environment = {**made, **own_environment()}
    if "SSL_CERT_FILE" not in environment:
        environment["UV_SYSTEM_CERTS"] = "true"  # its own list knows no authority that only this machine trusts
    if "UV_CACHE_DIR" not in environment and not os.access(environment.get("HOME", "/"), os.W_OK):
        environment["UV_NO_CACHE"] = "true"
    return environment


def pip_settings(python: Path) -> dict[str, str]:
    """The settings of pip here, from all its files and variables, by option name; the closest to the command wins."""
    ranked = []
    for line in pip(python, ["config", "list"]).splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if section in SECTIONS:
            with contextlib.suppress(ValueError, SyntaxError):
                ranked.append((SECTIONS.index(section), option, str(ast.literal_eval(value))))
    return {option: value for _, option, value in sorted(ranked)}


def pip(python: Path, arguments: list[str]) -> str:
    """Run the environment's pip and return what it printed."""
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_USER": "0"}
    if arguments[0] == "install" and "PIP_RETRIES" not in os.environ and "retries" not in pip_settings(python):
        quiet["PIP_RETRIES"] = TRIES
    return run([str(python), "-m", "pip", *arguments], {**own_environment(), **quiet})


def own_environment() -> dict[str, str]:
    """Ours, without what would lead another Python astray."""
    return {
        name: value for name, value in os.environ.items() if name not in {"PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV"}
    }


def run(command: list[str], environment: dict[str, str]) -> str:
    """Run *command* and return what it printed; its failure is one sentence, and all it printed is in `LOG`."""
    try:
        done = subprocess.run(  # noqa: S603 - commands are made in this file
            command,
            env=environment,
            timeout=LIMIT_S,
            check=False,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
    except subprocess.TimeoutExpired:
        message = f"`{shown(command)}` did not finish within {LIMIT_S} s"
        raise SetUpError(message) from None
    except OSError as problem:
        message = f"`{shown(command)}` cannot be run: {problem.strerror}"
        raise SetUpError(message) from None
    if done.returncode != 0:
        where = keep(command, done.stdout + done.stderr)
        if UNREACHABLE.search(done.stdout + done.stderr):
            message = f"the package index cannot be reached; check the network or PIP_INDEX_URL{where}."
            raise UnreachableError(message)
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        telling = [line.strip() for line in lines if re.search(r"error", line, flags=re.IGNORECASE)] or lines or [""]
        message = f"`{shown(command)}` failed: {telling[-1].strip()}{where}"
        raise SetUpError(message)
    return done.stdout


def keep(command: list[str], said: str) -> str:
    """Write what a failed program printed to `LOG`, and show it if asked to; where it is, to be put into a sentence."""
    text = f"$ {' '.join(command)}\n{said.rstrip()}\n"
    if Verbosity.shown:
        sys.stderr.write(f"\n{text}")
    try:
        LOG.parent.mkdir(mode=0o700, exist_ok=True)
        with LOG.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        return ""  # a checkout that cannot be written to has worse troubles
    return f" (details: {os.path.relpath(LOG)})"


def shown(command: list[str]) -> str:
    """A command as people name it: ``pip install``, not its forty words."""
    words = command[2:] if command[1:2] == ["-m"] else command
    return " ".join(words[:3])


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Say that *text* begins, and how long it took when it has ended well."""
    began = time.monotonic()
    say(f"{text} ... ")
    try:
        yield
    except BaseException:
        sys.stdout.write("failed\n")
        raise
    sys.stdout.write(f"{time.monotonic() - began:.1f} s\n")


def say(text: str) -> None:
    """Show progress at once, without a line end."""
    sys.stdout.write(f"set-up: {text}")
    sys.stdout.flush()


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let no second set-up of this checkout work at the same time; the folder itself is the lock, so nothing is left."""
    handle = os.open(PROJECT, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


if __name__ == "__main__":
    sys.exit(main())
