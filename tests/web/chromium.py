"""Finds a Chromium, or unpacks the distribution's below `.local/`: `python -m tests.web.chromium` says which.

The order: the one that FIREWALKER_TEST_CHROMIUM names, an installed one, the packages of the distribution, which are
fetched once and never installed.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from firewalker.local import packages
from firewalker.local.layout import Layout
from firewalker.local.problems import CannotStartError

PACKAGES = packages.Selection("Chromium", (("chromium",), ("chromium-common",), ("fonts-dejavu-core",)))
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
PLACES = ("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",)
UNPACKED = "usr/lib/chromium/chromium"

FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
{folders}
  <cachedir>{cache}</cachedir>
  <match target="pattern"><edit name="family" mode="append_last"><string>DejaVu Sans</string></edit></match>
  <match target="pattern"><edit name="family" mode="append_last"><string>NanumGothic</string></edit></match>
</fontconfig>
"""
"""The same fonts on every machine, so that pictures of screens are the same: DejaVu, and NanumGothic for Korean."""


@dataclass(frozen=True, slots=True)
class Chromium:
    """A browser that ran and told its version."""

    path: Path
    version: str
    environment: dict[str, str]
    """What it needs besides ours."""

    def arguments(self) -> list[str]:
        """Words for its command line. As root it refuses to start inside its sandbox."""
        return ["--no-sandbox"] if os.geteuid() == 0 else []


def find(say: Callable[[str], None]) -> Chromium:
    """The first usable Chromium.

    Raises:
        CannotStartError: There is none and none can be had.
    """
    layout = Layout.of(os.environ)
    named = os.environ.get("FIREWALKER_TEST_CHROMIUM")
    for name in (named,) if named else (*NAMES, *PLACES):
        if (place := shutil.which(name)) and (found := _probe(Path(place), {})):
            return _with_fonts(found, layout, [])
    if named:
        raise CannotStartError(f"FIREWALKER_TEST_CHROMIUM is {named!r}, which is no Chromium that runs here.")
    if packages.apt_is_here():
        root = packages.unpack(layout.root / "chromium", say, PACKAGES)
        # Only root could give it the rights that it wants to have; without it the sandbox is the kernel's own.
        (root / UNPACKED).with_name("chrome-sandbox").unlink(missing_ok=True)
        if found := _probe(root / UNPACKED, {"LD_LIBRARY_PATH": packages.library_path(root)}):
            return _with_fonts(found, layout, [root / "usr/share/fonts"])
    raise CannotStartError(
        "No Chromium was found and none could be unpacked: install one, or name its program in FIREWALKER_TEST_CHROMIUM."
    )


def plain() -> dict[str, str]:
    """The environment without what would lead Chromium to a desktop."""
    return {name: value for name, value in os.environ.items() if name not in {"DISPLAY", "WAYLAND_DISPLAY"}}


def _probe(path: Path, environment: dict[str, str]) -> Chromium | None:
    try:
        done = subprocess.run(  # noqa: S603 - what it is, is what this asks
            [path, "--version"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Chromium(path, done.stdout.strip(), environment) if done.returncode == 0 and done.stdout.strip() else None


def _with_fonts(chromium: Chromium, layout: Layout, folders: list[Path]) -> Chromium:
    if sys.platform != "linux":
        return chromium
    known = [*folders, Path("/usr/share/fonts")]
    korean = importlib.util.find_spec("koreanize_matplotlib")
    if korean is not None and korean.origin is not None:
        known.append(Path(korean.origin).parent / "fonts")
    file = layout.root / "chromium.fonts.conf"
    text = FONTS.format(
        folders="\n".join(f"  <dir>{folder}</dir>" for folder in known), cache=layout.root / "chromium.fonts"
    )
    if not file.exists() or file.read_text() != text:
        file.write_text(text)
    return Chromium(chromium.path, chromium.version, {**chromium.environment, "FONTCONFIG_FILE": str(file)})


def main() -> int:
    """Say which browser the tests will use."""
    try:
        found = find(lambda line: print(f"test-web: {line}", flush=True))  # noqa: T201 - progress of the command
    except CannotStartError as problem:
        sys.stderr.write(f"test-web: {problem}\n")
        return 1
    print(f"test-web: {found.version} ({found.path})")  # noqa: T201 - the command's answer
    return 0


if __name__ == "__main__":
    sys.exit(main())
