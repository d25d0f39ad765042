"""Columns that several tables have, as values."""

from uuid import UUID


def uuid_of(column: bytes) -> UUID:
    """The id in a `BINARY(16)` column."""
    return UUID(bytes=bytes(column))
