"""The Dockerfile against hadolint, compose.yaml against the Compose specification."""

from __future__ import annotations

import subprocess

from tests.image.building import PROJECT, MissingError

TOOLS = PROJECT / ".venv-image" / "bin"

_VALIDATE = """
import sys, yaml
from compose_spec import ComposeSpecification
ComposeSpecification.model_validate(yaml.safe_load(open(sys.argv[1])))
"""


def lint_dockerfile() -> None:
    """Raises MissingError with what hadolint says."""
    _run(str(TOOLS / "hadolint"), str(PROJECT / "deploy" / "Dockerfile"))


def validate_compose() -> None:
    """Raises MissingError with what is not of the specification."""
    _run(str(TOOLS / "python"), "-c", _VALIDATE, str(PROJECT / "deploy" / "compose.yaml"))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingError(f"{command[-1]}:\n{done.stdout}{done.stderr[-2000:]}")
