"""What is locked is locked by hash and from nowhere in particular; what an audit says, and which licences are let in."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.image.contents import allowed, forbidden_licences

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "deploy" / "lock").glob("*.txt"))


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / "deploy" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_every_package_is_pinned_with_hashes(lock: Path) -> None:
    text = lock.read_text()
    pinned = re.findall(
        r"^([a-zA-Z0-9][^\s=]*)==[^\\\n]+\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE
    )
    named = re.findall(r"^[a-zA-Z0-9]\S*", text, re.MULTILINE)
    assert len(pinned) == len(named) > 0
    assert "://" not in text


PACKAGE = {"name": "h2", "version": "1.0"}
FLAW = {"id": "CVE-2026-1", "fix_versions": ["1.1"]}


def test_an_audit_that_looked_at_nothing_says_so(audit: ModuleType) -> None:
    text, status = audit.verdict("runtime", [{"name": "h2", "skip_reason": "not found"}])
    assert "NOTHING was audited" in text
    assert status == 0


def test_a_vulnerability_fails_the_audit_and_is_named(audit: ModuleType) -> None:
    text, status = audit.verdict("runtime", [{**PACKAGE, "vulns": [FLAW]}, {"name": "x", "skip_reason": "not found"}])
    assert status == 1
    assert "1 packages looked at, 1 not known there, 1 vulnerabilities" in text
    assert "h2 1.0: CVE-2026-1, mended in 1.1" in text


def test_a_clean_audit_is_one(audit: ModuleType) -> None:
    text, status = audit.verdict("runtime", [{**PACKAGE, "vulns": []}])
    assert (status, "NOTHING" in text) == (0, False)


def component(*said: str) -> dict[str, Any]:
    return {"name": "x", "licenses": [{"expression": each} for each in said]}


@pytest.mark.parametrize(
    "said", ["MIT", "Apache-2.0 OR GPL-3.0-only", "(MIT OR Apache-2.0)", "BSD-3-Clause AND 0BSD AND MIT"]
)
def test_licences_that_are_let_in(said: str) -> None:
    assert allowed(component(said))


@pytest.mark.parametrize(
    "said", ["GPL-3.0-only", "MIT AND GPL-3.0-only", "AGPL-3.0-or-later OR SSPL-1.0", "Other/Proprietary"]
)
def test_licences_that_are_not(said: str) -> None:
    assert forbidden_licences([component(said)]) == [f"x ({said})"]


def test_a_package_without_a_licence_is_not_let_in() -> None:
    assert forbidden_licences([{"name": "x"}]) == ["x (none said)"]
    assert forbidden_licences([{"name": "protobuf"}]) == []
