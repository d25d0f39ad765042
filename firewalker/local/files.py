"""How local set-up writes to disk: private folders, whole files, one process at a time. No knowledge of what is written."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from firewalker.local.problems import CannotStartError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SOCKET_PATH_BYTES = 103
"""Longest unix socket path that every system accepts: 107 bytes on Linux, 103 on macOS."""

LONGEST_SOCKET_NAME_BYTES = len("/mysql.sock")


def make_private_folder(path: Path) -> Path:
    """Make *path* and its parents if missing, readable by its owner only, and return it absolute.

    Raises:
        CannotStartError: It cannot be made or is not ours.
    """
    with _explained("make the folder", path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
        return path.resolve()


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace *path* by *content* so that a reader, or a run after a crash, never sees half of it.

    Raises:
        CannotStartError: It cannot be written; *path* is as it was.
    """
    with _explained("write", path):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(mode)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def socket_folder(preferred: Path) -> Path:
    """A private folder whose sockets have paths short enough to bind.

    It is *preferred* if that fits, else a folder under the temporary directory whose name is derived from *preferred*,
    so that the next run finds the same one.

    Raises:
        CannotStartError: It cannot be made, or the folder under the temporary directory belongs to somebody else.
    """
    preferred = preferred.absolute()
    if _fits(preferred):
        return make_private_folder(preferred)
    digest = hashlib.sha256(os.fsencode(preferred)).hexdigest()[:12]
    name = f"firewalker-{os.getuid()}-{digest}"
    short = next(folder / name for folder in _temporary_folders() if _fits(folder / name))
    with _explained("make the folder", short), contextlib.suppress(FileExistsError):
        short.mkdir(mode=0o700)
    facts = short.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid():
        # The temporary directory is shared: somebody may have put a link or a folder of theirs in our place.
        message = (
            f"{short} is not a folder of yours; remove it, or set FIREWALKER_LOCAL_DIR to a folder with a shorter path."
        )
        raise CannotStartError(message)
    short.chmod(0o700)
    return short


def remove_socket_folder(folder: Path) -> None:
    """Remove *folder* if `socket_folder` made it under the temporary directory and nothing is left in it.

    The one beside the data stays: it is where people look for it.
    """
    if folder.parent in _temporary_folders() and folder.name.startswith(f"firewalker-{os.getuid()}-"):
        with contextlib.suppress(OSError):  # not empty: somebody still uses it
            folder.rmdir()


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder)) + LONGEST_SOCKET_NAME_BYTES <= MAX_SOCKET_PATH_BYTES


def _temporary_folders() -> tuple[Path, Path]:
    """The one that the environment asks for, which can itself be too long, and the one that is always there."""
    return Path(tempfile.gettempdir()), Path("/tmp")  # noqa: S108 - what is made there is made private


@contextlib.contextmanager
def locked(path: Path, *, busy: str | None = None) -> Iterator[None]:
    """Hold an exclusive lock on the file *path*, which is made if missing, and note the holder's pid in it.

    The kernel drops the lock when the holder ends, however it ends, and children do not inherit it. Without *busy* this
    waits for the lock; with it, a lock held elsewhere raises at once.

    Raises:
        CannotStartError: Another process holds the lock; the text is *busy*, with ``{pid}`` replaced by the holder. Or
            the file cannot be written.
    """
    with _explained("write", path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = path.open("a+", encoding="ascii")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if busy is None else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise CannotStartError((busy or "").format(pid=file.read().strip() or "unknown")) from None
        file.truncate(0)
        with _explained("write", path):
            file.write(str(os.getpid()))
            file.flush()
        yield


@contextlib.contextmanager
def _explained(what: str, path: Path) -> Iterator[None]:
    """Turn what the system refuses into a sentence that names the place and how to choose another."""
    try:
        yield
    except OSError as problem:
        why = "a file is in the way" if problem.errno == errno.EEXIST else os.strerror(problem.errno or errno.EIO)
        message = f"Cannot {what} {path}: {why}. Set FIREWALKER_LOCAL_DIR to a folder that you can write to."
        raise CannotStartError(message) from None
