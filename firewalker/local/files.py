"""How local set-up writes to disk: private folders, whole files, one process at a time. No knowledge of what is written."""

from __future__ import annotations

import contextlib
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
    """Make *path* and its parents if missing, readable by its owner only, and return it absolute."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path.resolve()


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace *path* by *content* so that a reader, or a run after a crash, never sees half of it."""
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
        CannotStartError: The folder under the temporary directory belongs to somebody else.
    """
    preferred = preferred.absolute()
    if len(os.fsencode(preferred)) + LONGEST_SOCKET_NAME_BYTES <= MAX_SOCKET_PATH_BYTES:
        return make_private_folder(preferred)
    digest = hashlib.sha256(os.fsencode(preferred)).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"firewalker-{os.getuid()}-{digest}"
    short.mkdir(mode=0o700, exist_ok=True)
    facts = short.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid():
        # The temporary directory is shared: somebody may have put a link or a folder of theirs in our place.
        message = (
            f"{short} is not a folder of yours; remove it, or set FIREWALKER_LOCAL_DIR to a folder with a shorter path."
        )
        raise CannotStartError(message)
    short.chmod(0o700)
    return short


@contextlib.contextmanager
def locked(path: Path, *, busy: str | None = None) -> Iterator[None]:
    """Hold an exclusive lock on the file *path*, which is made if missing, and note the holder's pid in it.

    The kernel drops the lock when the holder ends, however it ends, and children do not inherit it. Without *busy* this
    waits for the lock; with it, a lock held elsewhere raises at once.

    Raises:
        CannotStartError: Another process holds the lock; the text is *busy*, with ``{pid}`` replaced by the holder.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if busy is None else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise CannotStartError((busy or "").format(pid=file.read().strip() or "unknown")) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
