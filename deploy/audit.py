"""Asks pip-audit for known vulnerabilities of what the locks pin: ``make audit``. Fails if there is one.

Where no database of them can be reached, pip-audit skips every package and calls that a success; this says what it is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
TOOL = PROJECT / ".venv-image" / "bin" / "pip-audit"
LOCKS = ("runtime",)
"""What runs in production. Tools of development see nobody's data."""
LIMIT_S = 120


def main() -> int:
    """Ask for each lock; 1 if something in one is vulnerable."""
    status = 0
    for name in LOCKS:
        problem, packages = ask(PROJECT / "deploy" / "lock" / f"{name}.txt")
        text, bad = verdict(name, packages, problem)
        print(text)
        status |= bad
    return status


def ask(lock: Path) -> tuple[str, list[dict[str, Any]]]:
    """What pip-audit says of each package in *lock*; or why it says nothing."""
    command = [str(TOOL), "--disable-pip", "--require-hashes", "--progress-spinner=off", "-f", "json", "-r", str(lock)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)  # noqa: S603 - ours
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (OSError, subprocess.TimeoutExpired) as trouble:
        return type(trouble).__name__, []
    except (ValueError, KeyError):
        return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no answer", []
    return "", packages


def verdict(lock: str, packages: list[dict[str, Any]], problem: str = "") -> tuple[str, int]:
    """What to say of *lock*, and 1 if it is vulnerable.

    A package that is not in the database is not found to be good; it is counted apart.
    """
    looked_at = [package for package in packages if "skip_reason" not in package]
    if not looked_at:
        why = f" ({problem})" if problem else ""
        return f"audit: {lock}: no database of vulnerabilities can be reached here{why}; NOTHING was audited.", 0
    found = [
        f"  {package['name']} {package['version']}: {vulnerability['id']}, mended in "
        f"{', '.join(vulnerability.get('fix_versions', [])) or 'no version yet'}"
        for package in looked_at
        for vulnerability in package.get("vulns", [])
    ]
    skipped = len(packages) - len(looked_at)
    said = (
        f"audit: {lock}: {len(looked_at)} packages looked at, {skipped} not known there, {len(found)} vulnerabilities."
    )
    return "\n".join([said, *found]), int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
