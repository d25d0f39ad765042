"""What is in the image: a list in CycloneDX's form, and whether every licence in it is one that we accept."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

from tests.image.building import Image, MissingError
from tests.image.texts import TOOLS

ALLOWED = frozenset(
    [
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "ISC",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "MPL-2.0",
        "PSF-2.0",
        "Python-2.0",
        "Zlib",
    ]
)
"""Licences under which a service may be run and its image passed on. MPL-2.0 is certifi's: a list, unchanged."""

CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
}
"""What older packages say instead of an identifier."""

KNOWN = {
    "protobuf": "BSD-3-Clause",
    "koreanize-matplotlib": "MIT",  # and its font: OFL-1.1
}
"""Packages that do not say it where it can be read, and what their repository says."""


def write_contents(image: Image) -> list[dict[str, Any]]:
    """Write the list, and return its components."""
    image.contents.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [TOOLS / "cyclonedx-py", "environment", image.root / "venv", "--of", "JSON", "--output-reproducible",
         "-o", image.contents],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise MissingError(done.stderr[-2000:])
    components: list[dict[str, Any]] = json.loads(image.contents.read_text())["components"]
    return components


def forbidden_licences(components: list[dict[str, Any]]) -> list[str]:
    """Packages none of whose licences is allowed, each with what it says."""
    return [f"{each['name']} ({' or '.join(told(each)) or 'none said'})" for each in components if not allowed(each)]


def allowed(component: dict[str, Any]) -> bool:
    """Whether one of the licences that it offers is allowed, every part of it."""
    return any(
        set(re.findall(r"[A-Za-z0-9.+-]+", choice.replace(" AND ", " "))) <= ALLOWED
        for said in told(component)
        for choice in said.strip("()").split(" OR ")
    )


def told(component: dict[str, Any]) -> list[str]:
    """The licences that a package says it has, as identifiers and expressions of them where they are known."""
    said = []
    for entry in component.get("licenses", []):
        licence = entry.get("license", {})
        text = entry.get("expression") or licence.get("id") or licence.get("name", "")
        said.append(CLASSIFIERS.get(text, text))
    return said or ([KNOWN[component["name"]]] if component["name"] in KNOWN else [])
