"""Unpacks packages of the distribution, those of servers above all, below a folder of ours, without root and without installing anything.

apt fetches and verifies them, with package lists, caches and an empty installation record of its own, so that neither
missing system lists nor installed servers matter. Which binary is used in the end is decided in `binaries`.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from firewalker.local.files import locked
from firewalker.local.problems import CannotStartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Selection:
    """What is wanted: of each row of *seeds* the first package that the distribution has; *title* is for people."""

    title: str
    seeds: tuple[tuple[str, ...], ...]
    alone: bool = False
    """Without what the packages ask for besides."""
    suite: str = ""
    """Of this suite of the distribution, with everything that they need; else of what this system takes its packages from."""


SERVERS = Selection(
    "MariaDB and Redis",
    (
        ("mariadb-server-core", "mariadb-server-core-10.6"),
        ("mariadb-client-core", "mariadb-client-core-10.6"),  # my_print_defaults, which the install script calls
        ("redis-tools", "valkey-tools"),  # holds the server too, which looks at its own name
    ),
)
"""What `make run` needs.

The ``-core`` packages hold the binaries alone; the ones without the suffix would also start system services.
"""

PROMETHEUS = Selection("Prometheus", (("prometheus",),), alone=True)
"""Prometheus and promtool, which need nothing but the C library."""

HAPROXY = Selection("HAProxy", (("haproxy",),))
"""The balancer of `make test-scale`."""

PORTION_BYTES = 25_000_000
"""How much is downloaded between two words about it."""

UNREACHED = "{} of this system could not be reached; check the network, or the proxy in apt's configuration."

COMPLETE = ".complete"
APT_UPDATE_S = 300
APT_STEP_S = 300


def apt_is_here() -> bool:
    """Whether this system has what `unpack` calls: apt-get and dpkg-deb."""
    return all(shutil.which(tool) for tool in ("apt-get", "apt-config", "apt-cache", "dpkg-deb", "dpkg-query"))


def unpack(target: Path, say: Callable[[str], None], wanted: Selection = SERVERS) -> Path:
    """Fetch and unpack the packages *wanted* into *target*, once, and return *target*.

    A complete *target* is left alone. An interrupted run leaves nothing that counts: the work happens in a folder beside
    *target*, which takes its name at the end. Two callers at once do the work once. The servers take some 5 s and 80 MB.

    Raises:
        CannotStartError: apt or dpkg-deb failed; the text holds their last words.
    """
    with locked(target.parent / f"{target.name}.lock"):
        if (target / COMPLETE).exists():
            return target
        for leftover in target.parent.glob(f"{target.name}.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix=f"{target.name}.new-", dir=target.parent)).resolve()
        try:
            _fetch_and_unpack(work, say, wanted)
            shutil.rmtree(target, ignore_errors=True)
            (work / "root" / COMPLETE).touch()
            (work / "root").rename(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return target


def library_path(target: Path) -> str:
    """The LD_LIBRARY_PATH with which the unpacked binaries find the libraries unpacked with them."""
    libraries = target / "usr" / "lib"
    return os.pathsep.join(
        str(folder) for folder in (*sorted(libraries.glob("*-linux-*")), libraries) if folder.is_dir()
    )


def _fetch_and_unpack(work: Path, say: Callable[[str], None], wanted: Selection) -> None:
    environment = _apt_environment(work, wanted.suite)
    say("reading the package lists of this distribution")
    unreached = _update(work, environment)
    names = _names(work, environment, wanted, unreached)
    downloads = work / "packages"
    downloads.mkdir()
    sizes = _sizes(_run(["apt-get", "-q", "--print-uris", "download", *names], downloads, environment, APT_STEP_S))
    megabytes = sum(sizes.values()) // 1_000_000
    say(f"downloading {len(names)} packages of {wanted.title} ({megabytes} MB)")
    done = 0
    for portion in _portions(names, sizes):
        _run(["apt-get", "-q", "download", *portion], downloads, environment, APT_STEP_S)
        done += sum(sizes.get(name, 0) for name in portion)
        if megabytes > PORTION_BYTES // 1_000_000:
            say(f"{done // 1_000_000} of {megabytes} MB are here")
    say("unpacking them (nothing is installed)")
    root = work / "root"
    root.mkdir()
    for package in sorted(downloads.glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(root)], work, environment, APT_STEP_S)
    for check, server in (("redis-check-rdb", "redis-server"), ("valkey-check-rdb", "valkey-server")):
        # One binary with several names: it becomes the server when called by the server's name.
        if (root / "usr/bin" / check).exists() and not (root / "usr/bin" / server).exists():
            (root / "usr/bin" / server).symlink_to(check)


def _sizes(plan: str) -> dict[str, int]:
    """How many bytes each package has, by name, as apt says where it would get them."""
    return {name: int(size) for name, size in re.findall(r"^'\S+' ([^_\s]+)_\S+ (\d+)", plan, flags=re.MULTILINE)}


def _portions(names: Sequence[str], sizes: dict[str, int]) -> Iterator[list[str]]:
    """*names* in portions of some `PORTION_BYTES`."""
    portion: list[str] = []
    size = 0
    for name in names:
        portion.append(name)
        size += sizes.get(name, 0)
        if size >= PORTION_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _update(work: Path, environment: dict[str, str]) -> str:
    """Read the package lists; why some sources could not be reached, empty if all were.

    One source in trouble is no reason to stop: what is wanted may be in the others.

    Raises:
        CannotStartError: None of them was reached.
    """
    why = ""
    try:
        # Otherwise apt calls it a success when no source answers. Versions that do not know the option ignore it.
        _run(["apt-get", "-q", "update", "-o", "APT::Update::Error-Mode=any"], work, environment, APT_UPDATE_S)
    except CannotStartError as problem:
        why = str(problem).splitlines()[-1]
    if not any(file.is_file() and file.name != "lock" for file in (work / "state/lists").iterdir()):
        message = f"{UNREACHED.format('The package sources')} {why}".rstrip()
        raise CannotStartError(message)
    return why


def _apt_environment(work: Path, suite: str = "") -> dict[str, str]:
    """An environment in which apt keeps everything below *work*, but reaches its sources as the system does.

    The system's ``Acquire`` settings (proxies, certificates, checks) are taken over. Its hooks are not: they would run
    programs that write outside, or that only root may run.
    """
    plain = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    plain.pop("APT_CONFIG", None)
    for folder in ("state/lists/partial", "cache/archives/partial", "none"):
        (work / folder).mkdir(parents=True)
    (work / "state/status").touch()
    kept = [
        line
        for line in _run(["apt-config", "dump"], work, plain, APT_STEP_S).splitlines()
        if re.match(r"(Acquire|APT::Architectures?)::?[^ ]* ", line) and not line.endswith(' "";')
    ]
    ours = {
        "Dir::State": work / "state",
        "Dir::State::lists": work / "state/lists",
        "Dir::State::status": work / "state/status",
        "Dir::Cache": work / "cache",
        "Dir::Cache::archives": work / "cache/archives",
        "Dir::Etc::parts": work / "none",
        "Dir::Etc::main": "/dev/null",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",  # as root: no switch to a user who may not write here; otherwise without meaning
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
        "Acquire::http::Timeout": "20",
        "Acquire::https::Timeout": "20",
    }
    if suite:
        sources = work / "sources.list"
        sources.write_text(f"deb {_mirror(work, plain)} {suite} main\n")
        ours |= {"Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": work / "none"}
    configuration = work / "apt.conf"
    configuration.write_text("\n".join([*kept, *(f'{key} "{value}";' for key, value in ours.items()), ""]))
    return {**plain, "APT_CONFIG": str(configuration)}


def _mirror(work: Path, environment: dict[str, str]) -> str:
    """Where this system takes its own release from, which has the other suites too.

    Raises:
        CannotStartError: It says so nowhere.
    """
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    command = ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"]
    for line in _run(command, work, environment, APT_STEP_S).splitlines():
        suite, _, mirror = line.partition(" ")
        if release and suite == release:
            return mirror
    message = "The package sources of this system do not say where its release is from."
    raise CannotStartError(message)


def _names(work: Path, environment: dict[str, str], wanted: Selection, unreached: str = "") -> list[str]:
    """The packages to unpack: the seeds, and what they need that this system does not have.

    *unreached* is why some package sources could not be read, if so.
    """
    known = set(_run(["apt-cache", "pkgnames"], work, environment, APT_STEP_S).split())
    seeds = [next((name for name in row if name in known), "") for row in wanted.seeds]
    if not all(seeds):
        message = f"The package sources of this system do not offer the packages of {wanted.title}."
        if unreached:
            message = f"{UNREACHED.format('Some package sources')} {unreached}"
        raise CannotStartError(message)
    if wanted.alone:
        return seeds
    plan = _run(["apt-get", "-s", "-q", "install", *seeds], work, environment, APT_STEP_S)
    needed = set(re.findall(r"^Inst (\S+)", plan, flags=re.MULTILINE))
    if wanted.suite:
        return sorted(needed | set(seeds))  # what is installed here may be older than what was asked for
    installed = _run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n"], work, environment, APT_STEP_S)
    here = {line.split()[0] for line in installed.splitlines() if line.endswith(" installed")}
    return sorted((needed - here) | set(seeds))


def _run(command: Sequence[str], folder: Path, environment: dict[str, str], limit_s: float) -> str:
    """Run *command* in *folder* and return what it printed."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            timeout=limit_s,
            check=False,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
    except subprocess.TimeoutExpired:
        message = f"`{command[0]}` did not finish within {limit_s:.0f} s while fetching packages."
        raise CannotStartError(message) from None
    if done.returncode != 0:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        message = f"`{' '.join(command[:3])}` failed while fetching packages:\n{said}"
        raise CannotStartError(message)
    return done.stdout
