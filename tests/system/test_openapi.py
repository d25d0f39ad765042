"""The document of the whole backend: served, shown, and true for whatever is made from it."""

from __future__ import annotations

import os
from pathlib import Path

import httpx

from firewalker.local.backend import Backend
from tests.support import schemathesis
from tests.system.people import Town

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "3"))
SEED = int(os.environ.get("SCHEMATHESIS_SEED", "1"))


async def test_nothing_is_found_that_the_document_does_not_tell(town: Town, backend: Backend, tmp_path: Path) -> None:
    person = await town.person()
    status, out = await schemathesis.run(
        f"http://{backend.address('transcoder')}",
        tmp_path,
        *("--header", f"authorization: Bearer {person.token}", "--exclude-path-regex", ":(watch|export)$"),
        examples=EXAMPLES,
        seed=SEED,
    )
    assert status == 0, out


async def test_the_documentation_is_there(rest: httpx.AsyncClient) -> None:
    document = (await rest.get("/openapi.json")).json()
    assert "/v1/auth/signup" in document["paths"]
    assert (await rest.get("/docs")).status_code == 200
