"""Where local runs keep their files: the folder `.local` and what is in it. Reading and writing them happens elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from firewalker.local.files import make_private_folder, socket_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT = Path(__file__).resolve().parents[2]
"""The folder that holds the package; in a checkout it also holds pyproject.toml."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths below one local root. All absolute; the root exists and is private to its owner."""

    root: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """The root that *environment* names by FIREWALKER_LOCAL_DIR, else `.local` of the checkout, else of the current folder."""
        named = environment.get("FIREWALKER_LOCAL_DIR")
        if named:
            return cls.at(Path(named))
        return cls.at((PROJECT if (PROJECT / "pyproject.toml").exists() else Path.cwd()) / ".local")

    @classmethod
    def at(cls, root: Path) -> Self:
        """The root *root*, made if missing."""
        return cls(make_private_folder(root))

    @property
    def packages(self) -> Path:
        """Unpacked server packages. Costly to make and never changed: several runs may share them."""
        return self.root / "packages"

    @property
    def data(self) -> Path:
        """Data of the private servers, kept between runs."""
        return self.root / "data"

    @property
    def secrets(self) -> Path:
        """Keys and service credentials, kept between runs."""
        return self.root / "secrets"

    @property
    def mail(self) -> Path:
        """Mails that a local run does not send."""
        return self.root / "mail"

    @property
    def run_lock(self) -> Path:
        """Held by the run that uses data and secrets."""
        return self.root / "run.lock"

    def sockets(self) -> Path:
        """The folder of the private servers' sockets, made if missing; elsewhere if the root's path is too long for sockets."""
        return socket_folder(self.root / "run")
