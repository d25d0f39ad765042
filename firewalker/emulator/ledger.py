"""What came and what became of it: on disk before the answer goes out, so that no kill makes the emulator forget."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """One message that was asked to be sent, or a connection that was ended for its sender's fault."""

    seq: int
    time: float
    """By the emulator's clock."""
    project: str
    target: str
    """The first 16 hexadecimal digits of the registration's SHA-256: the ledger holds no registrations."""
    nid: str
    tag: str
    priority: str
    ttl: str
    connection: int
    outcome: str
    accepted: bool
    """Whether its device shows it."""
    fault: str
    """What was done to its stream or connection; empty for nothing."""
    unknown: bool
    """Whether the sender was kept from hearing the answer."""
    validate_only: bool
    retry_after: str
    body: str
    """SHA-256 of the request."""


def digest(text: str) -> str:
    """How the ledger names a registration."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Ledger:
    """The records, in memory and, with a *path*, as lines of JSON in a file."""

    def __init__(self, path: Path | None) -> None:
        self._file = None if path is None else path.open("a", encoding="utf-8")
        self.records: list[Record] = []

    def write(self, fields: Mapping[str, Any]) -> Record:
        """Add a record; it is on the disk when this returns."""
        record = Record(seq=len(self.records) + 1, **fields)
        if self._file is not None:
            self._file.write(json.dumps(asdict(record)) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        self.records.append(record)
        return record

    def clear(self) -> None:
        """Forget everything; the file keeps it."""
        self.records.clear()

    def close(self) -> None:
        """Write nothing more."""
        if self._file is not None:
            self._file.close()
