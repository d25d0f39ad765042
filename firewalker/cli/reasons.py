"""The page of reasons: every refusal of the public contract, made from the code by `make gen`.

python -m firewalker.cli.reasons > firewalker/gen/reasons.md
"""

import ast
import sys
from collections.abc import Iterator
from http import HTTPStatus
from importlib import import_module
from itertools import pairwise
from pathlib import Path

from grpclib.const import Status

from firewalker.kernel.faults import Fault
from firewalker.runtime.grpc.status import STATUS_OF_KIND
from firewalker.step.domain.reading import FIRST_REJECTED, Outcome

_DECLARING = (
    "firewalker.kernel.faults",
    "firewalker.runtime.grpc.faults",
    "firewalker.runtime.rate_limits",
    "firewalker.runtime.revocation.doubts",
    "firewalker.runtime.repeats",
    "firewalker.runtime.grpc.health",
    "firewalker.user.domain.faults",
    "firewalker.user.domain.provider_faults",
    "firewalker.user.domain.avatar_faults",
    "firewalker.step.domain.faults",
)

_HTTP = {
    Status.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    Status.FAILED_PRECONDITION: HTTPStatus.BAD_REQUEST,
    Status.OUT_OF_RANGE: HTTPStatus.BAD_REQUEST,
    Status.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Status.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    Status.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Status.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    Status.ABORTED: HTTPStatus.CONFLICT,
    Status.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    Status.UNIMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
    Status.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Status.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
}
"""google/rpc/code.proto."""


def faults() -> Iterator[type[Fault]]:
    """Every fault that can reach a client, in the order of declaration."""
    for name in _DECLARING:
        for value in vars(import_module(name)).values():
            if isinstance(value, type) and issubclass(value, Fault) and value is not Fault and value.__module__ == name:
                yield value


_TRANSCODER = Path(__file__).resolve().parents[2] / "transcoder" / "errors.py"


def transcoder_reasons() -> Iterator[tuple[str, str]]:
    """The transcoder's own reasons, each with the sentence that stands below it in the code."""
    classes = (node for node in ast.walk(ast.parse(_TRANSCODER.read_text())) if isinstance(node, ast.ClassDef))
    for node, below in pairwise(next(node for node in classes if node.name == "Reason").body):
        if isinstance(node, ast.Assign) and isinstance(below, ast.Expr):
            yield ast.literal_eval(node.value), ast.literal_eval(below.value)


def page() -> str:
    """The page, as Markdown."""
    rows = []
    for fault in sorted(faults(), key=lambda fault: fault.reason):
        status = STATUS_OF_KIND[fault.kind]
        first, _, _ = (fault.__doc__ or "").partition("\n")
        rows.append(f"| `{fault.reason}` | {status.name} | {_HTTP[status].value} | {first} |")
    verdicts = [f"| `{outcome.name}` | REJECTED |" for outcome in Outcome if outcome >= FIRST_REJECTED]
    return "\n".join(
        [
            "# Reasons",
            "",
            "Made by `make gen` from the code. Every refusal carries a `google.rpc.ErrorInfo` with one of these reasons",
            "and the domain `firewalker`; reasons are stable, messages are not. INTERNAL carries none: it is our bug.",
            "",
            "| reason | gRPC status | HTTP | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
            "Reasons of single readings, in `ReadingResult.reason`; the call itself is OK:",
            "",
            "| reason | verdict |",
            "|---|---|",
            "| `DAY_FINAL` | ACCEPTED: the own history changes, standings do not |",
            "| `HOUR_CORRECTED` | UNCHANGED: the owner has said what the hour, or the date, was |",
            *verdicts,
            "",
            "Reasons of the transcoder itself, over HTTP only:",
            "",
            "| reason | meaning |",
            "|---|---|",
            *(f"| `{reason}` | {meaning} |" for reason, meaning in transcoder_reasons()),
            "",
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(page())
