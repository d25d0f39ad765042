"""Errors as gRPC has them: a code, a message and details as ``Any``, whether a service or the transcoder refused."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format
from google.rpc import status_pb2

from transcoder.errors import Problem
from transcoder.statuses import Fault, packed_details


def status_of(error: Fault | Problem, domain: str) -> Any:
    """The ``google.rpc.Status`` of *error*; *domain* is that of the transcoder's own reasons."""
    if isinstance(error, Fault):
        return status_pb2.Status(code=error.code, message=error.message, details=packed_details(error.details))
    return json_format.ParseDict(json.loads(error.body(domain)), status_pb2.Status())
