"""The snippets of `proto/clients.md`, taken from the page as people would copy them."""

from __future__ import annotations

import re
from pathlib import Path

from firewalker.local.backend import Backend

PROTO = Path(__file__).parents[2] / "proto"
PAGE = PROTO / "clients.md"

_PORTS = {"8080": "transcoder", "50051": "user", "50052": "step", "50053": "notification"}


def snippets(heading: str, language: str) -> list[str]:
    """The blocks of that language below a heading, in order."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    found = re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found, f"{PAGE.name} has no {language} under {heading}"
    return [str(text) for text in found]


def at(backend: Backend, snippet: str) -> str:
    """The snippet, with the addresses of *backend* for those of `make run`. Nothing else is changed."""
    return re.sub(r"127\.0\.0\.1:(\d+)", lambda found: backend.address(_PORTS[found[1]]), snippet)
