"""Schemathesis as a program, against a server that runs."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

LIMIT_S = 90

CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance"),
    *("response_schema_conformance", "unsupported_method"),
)
"""Not whether the schema alone tells good requests from bad ones: proto3 JSON takes more forms of a value than a schema
would show (numbers as text, null for an absent field), and no schema can tell that of two query parameters one only may
be there, or that a header must equal a field."""


async def run(url: str, folder: Path, *arguments: str, examples: int, seed: int) -> tuple[int, str]:
    """Send what is made from ``/openapi.json`` of *url*; the exit status and what was printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--no-color"),
        *("--phases", "examples,fuzzing", "--max-examples", str(examples), "--seed", str(seed)),
        *("--checks", ",".join(CHECKS), "--generation-database", "none", *arguments),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), LIMIT_S)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return process.returncode, out.decode(errors="replace")
