"""Building: a base from Debian's packages, which needs no registry, and the project's Dockerfile on top of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
OUTPUT = PROJECT / ".local" / "image"
BASE = "localhost/python:3.11-bookworm"
NAME = "localhost/firewalker:checked"
AUTHORITIES = Path("/etc/ssl/certs")


class MissingError(Exception):
    """Something that is needed is not here; the text says what."""


@dataclass(frozen=True)
class Image:
    """A built image, in a container that nothing runs in yet."""

    builder: Builder
    container: str
    root: Path
    """Its files."""

    @property
    def own_bytes(self) -> int:
        """What it has on top of its base."""
        folders = (self.root / "venv", self.root / "app")
        return sum(
            path.stat().st_size
            for folder in folders
            for path in folder.rglob("*")
            if path.is_file() and not path.is_symlink()
        )

    @property
    def contents(self) -> Path:
        """Where the list of its contents is."""
        return OUTPUT / "sbom.json"

    def command(
        self, *words: str, mounts: tuple[Path, ...] = (), environment: dict[str, str] | None = None
    ) -> list[str]:
        """What runs *words* in it, as its user and on this machine's network, with *mounts* at their own places."""
        options = [f"--volume={path}:{path}" for path in mounts]
        options += [f"--env={name}={value}" for name, value in (environment or {}).items()]
        return self.builder.command("run", "--isolation", "chroot", *options, self.container, "--", *words)


class Builder:
    """buildah with a store of its own below a temporary folder: it copies every layer, and all of it is to go again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    @contextmanager
    def here(cls) -> Iterator[Builder]:
        """One for the duration of the block.

        Raises:
            MissingError: A program, or root, is missing.
        """
        for program in ("buildah", "mmdebstrap"):
            if shutil.which(program) is None:
                raise MissingError(f"{program} is needed (on Debian: apt-get install buildah mmdebstrap)")
        if os.geteuid() != 0:
            raise MissingError("only root can make the base image here")
        folder = Path(tempfile.mkdtemp(prefix="firewalker-image."))
        builder = cls(folder)
        try:
            yield builder
        finally:
            subprocess.run(builder.command("umount", "--all"), capture_output=True, check=False)
            shutil.rmtree(folder, ignore_errors=True)

    def command(self, *words: str) -> list[str]:
        """A call of buildah."""
        store = [f"--root={self._folder}/store", f"--runroot={self._folder}/run", "--storage-driver=vfs"]
        return ["buildah", *store, *words]

    def run(self, *words: str) -> str:
        """Call buildah and return what it printed."""
        scratch = self._folder / "tmp"
        scratch.mkdir(exist_ok=True)
        done = subprocess.run(
            self.command(*words),
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "TMPDIR": str(scratch)},
        )
        if done.returncode != 0:
            raise MissingError(f"buildah {words[0]} failed:\n{done.stderr[-3000:]}")
        return done.stdout

    def build(self, base: str | None) -> Image:
        """The image, on *base* or on one from Debian's packages."""
        if base is None:
            base = self._debian()
        pip = self._folder / "pip.conf"
        pip.write_text("[global]\ncert=/etc/ssl/certs/ca-certificates.crt\n")
        # This machine's authorities are seen while packages are installed, and are not in the image.
        seen = [f"--volume={AUTHORITIES}:{AUTHORITIES}:ro", f"--volume={pip}:/etc/pip.conf:ro"]
        self.run(
            "bud",
            "--isolation",
            "chroot",
            f"--build-arg=BASE={base}",
            *seen,
            "--tag",
            NAME,
            "--file",
            str(PROJECT / "deploy" / "Dockerfile"),
            str(PROJECT),
        )
        container = self.run("from", NAME).strip()
        return Image(self, container, Path(self.run("mount", container).strip()))

    def save(self, image: Image) -> Path:
        """The image as one file."""
        path = OUTPUT / "firewalker.oci.tar"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self.run("rm", image.container)
        self.run("push", NAME, f"oci-archive:{path}:firewalker:latest")
        return path

    def _debian(self) -> str:
        archive, context = OUTPUT / "base.tar", self._folder / "base"
        if not archive.exists():
            archive.parent.mkdir(parents=True, exist_ok=True)
            fresh = archive.with_suffix(".new")
            packages = "--include=python3,python3-venv,ca-certificates"
            made = subprocess.run(
                ["mmdebstrap", "--format=tar", "--variant=minbase", packages, "bookworm", str(fresh), _mirror()],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if made.returncode != 0:
                raise MissingError(f"mmdebstrap failed:\n{made.stderr[-3000:]}")
            fresh.replace(archive)
        context.mkdir()
        shutil.copy(archive, context / "files.tar")
        (context / "Dockerfile").write_text("FROM scratch\nADD files.tar /\n")
        self.run("bud", "--isolation", "chroot", "--tag", BASE, str(context))
        return BASE


def _mirror() -> str:
    """Where this machine gets Debian's packages from."""
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)", "Codename: bookworm"],
        capture_output=True,
        text=True,
        check=False,
    )
    for site in told.stdout.split():
        return site
    message = "apt knows no source of Debian 12's packages; name an image with Python instead: ARGS='--base IMAGE'."
    raise MissingError(message)
