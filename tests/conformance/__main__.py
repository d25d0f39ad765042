"""The real conformance tools against this server: `make conformance`.

    python -m tests.conformance [--no-backend]

1. h2spec (strict) and gRPC's interop client (Go) against the interop test service, on both wires.
2. h2spec against every gRPC port of a whole backend started for this; left out with --no-backend.

Prints a table; fails if a case fails or is skipped that `exceptions.py` has no reason for.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from rich.console import Console
from rich.table import Table

from firewalker.local.backend import Backend
from firewalker.runtime.grpc.wire import Wire
from tests.conformance import tools
from tests.conformance.exceptions import KNOWN

INTEROP_CASES = (
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
    "status_code_and_message",
    "special_status_message",
    "custom_metadata",
    "unimplemented_method",
    "unimplemented_service",
)
"""All of grpc-go's that need no cloud account, load balancer or xDS. It has no compression cases; pytest has them."""

SERVICES = ("user", "step", "notification")
_H2SPEC_S = 180
_CASE_S = 30


@dataclass
class Result:
    """What one tool said of one port."""

    tool: str
    where: str
    passed: int = 0
    excepted: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)

    def add(self, section: str, title: str, *, ok: bool) -> None:
        """Count a case."""
        if ok:
            self.passed += 1
        elif (section, title) in KNOWN:
            self.excepted.append((section, title))
        else:
            self.failed.append((section, title))


def run_h2spec(program: Path, port: int, where: str) -> Result:
    """Every case of h2spec, the strict ones included."""
    result = Result("h2spec", where)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command: list[str | Path] = [program, "-h", "127.0.0.1", "-p", str(port)]
        command += ["--strict", "--timeout", "2", "--junit-report", report]
        subprocess.run(command, capture_output=True, check=False, timeout=_H2SPEC_S)  # noqa: S603 - our own build
        for case in ET.parse(report).iter("testcase"):  # noqa: S314 - h2spec's own report
            result.add(case.get("package", ""), case.get("classname", ""), ok=len(case) == 0)
    return result


def run_interop(program: Path, port: int, where: str) -> Result:
    """Every interop case, one process each, as the tool wants it."""
    result = Result("interop client", where)
    for case in INTEROP_CASES:
        command: list[str | Path] = [program, "-server_host", "127.0.0.1"]
        command += ["-server_port", str(port), "-test_case", case]
        done = subprocess.run(command, capture_output=True, check=False, timeout=_CASE_S)  # noqa: S603 - our own build
        result.add("interop", case, ok=done.returncode == 0)
    return result


@contextmanager
def test_server(wire: Wire) -> Iterator[int]:
    """The interop test service in a process of its own; its port."""
    command = [sys.executable, "-m", "tests.conformance.serve", wire.value]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - this package
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(10)


async def run_backend(program: Path) -> list[Result]:
    """h2spec against both ports of every service."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        async with Backend.start(Path(folder), within_s=120) as backend:
            for service in SERVICES:
                for which in ("PORT", "INTERNAL_PORT"):
                    port = backend.port(service, which)
                    where = f"{service}, {which.lower().replace('_', ' ')}"
                    results.append(await asyncio.to_thread(run_h2spec, program, port, where))
    return results


def show(results: list[Result]) -> bool:
    """Print what came out; whether all is as it should be."""
    console = Console()
    table = Table("tool", "against", "passed", "excepted", "failed", title="conformance")
    for result in results:
        counts = (result.passed, len(result.excepted), len(result.failed))
        table.add_row(result.tool, result.where, *map(str, counts))
    console.print(table)
    for section, title in sorted({case for result in results for case in result.excepted}):
        console.print(f"excepted: {section}: {title}\n    {KNOWN[section, title]}", highlight=False)
    for result in results:
        for section, title in result.failed:
            console.print(f"FAILED: {result.where}: {section}: {title}", highlight=False)
    return not any(result.failed or not result.passed for result in results)


def main() -> int:
    """Run all of it."""
    parser = argparse.ArgumentParser(description="h2spec and gRPC's interop client against this server")
    parser.add_argument("--no-backend", action="store_true", help="the test server alone")
    chosen = parser.parse_args()
    try:
        h2spec, interop = tools.find()
    except tools.CannotBuildError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    results = []
    for wire in Wire:
        with test_server(wire) as port:
            where = f"test service, {wire.value} wire"
            results += [run_interop(interop, port, where), run_h2spec(h2spec, port, where)]
    if not chosen.no_backend:
        results += asyncio.run(run_backend(h2spec))
    return 0 if show(results) else 1


if __name__ == "__main__":
    sys.exit(main())
