"""Header blocks that came before, known again: the fast wire's decoder (README, T4)."""

from collections.abc import Iterable
from typing import Any

import hpack.hpack
from hpack.hpack import Decoder

from firewalker.runtime.grpc.heads import SeenBlock

_REMEMBERED_BLOCKS = 32
_REMEMBERED_BYTES = 512


class RememberingDecoder(Decoder):
    """Knows the last header blocks again: calls of one client mostly open with the very same bytes.

    What a block means depends on its bytes and on the dynamic table alone, so what is remembered is good until the
    table changes. Blocks that change it are never remembered.
    """

    def __init__(self) -> None:
        super().__init__()
        self._remembered: dict[bytes, SeenBlock] = {}

    def decode(self, data: bytes | memoryview, raw: bool = False) -> Iterable[Any]:  # noqa: FBT001, FBT002 - hpack's
        """The headers of a block."""
        known = self.seen(data) if raw and isinstance(data, bytes) else None
        if known is not None:
            return known
        before = self._table_state()
        headers = list(super().decode(bytes(data), raw))
        if self._table_state() != before:
            self._remembered.clear()
        elif raw and len(data) <= _REMEMBERED_BYTES:
            if len(self._remembered) >= _REMEMBERED_BLOCKS:
                self._remembered.clear()
            self._remembered[bytes(data)] = SeenBlock(headers)
        return headers

    def seen(self, data: bytes) -> SeenBlock | None:
        """What *data* decodes to, if it was decoded before and would be the same now."""
        return self._remembered.get(data)

    def _table_state(self) -> tuple[int, int, int]:
        """Differs whenever the dynamic table does: every insertion puts a new object in front."""
        entries = self.header_table.dynamic_entries
        return (id(entries[0]) if entries else 0, len(entries), self.header_table.maxsize)


class _Silence:
    """Takes hpack's debug messages: 20 for each request, each costing a look at the logging configuration."""

    def debug(self, *_: object) -> None:
        """Say nothing."""


def silence_hpack() -> None:
    """Switch hpack's debug messages off for this process."""
    hpack.hpack.log = _Silence()  # type: ignore[assignment]
