"""Header blocks that came before, known again: the fast wire's decoder (README, T4)."""

from collections.abc import Iterable
from typing import Any

import hpack.hpack
from hpack.hpack import Decoder

from firewalker.runtime.grpc.heads import SeenBlock

_REMEMBERED_BLOCKS = 32
_REMEMBERED_BYTES = 512

_TableState = tuple[tuple[bytes, bytes] | None, int, int]
"""The first entry of a dynamic table, None for none; how many it has; how many bytes it may have."""


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
        try:
            headers = list(super().decode(bytes(data), raw))
        finally:
            stands = self._stands(before)
            if not stands:
                self._remembered.clear()
        if stands and raw and len(data) <= _REMEMBERED_BYTES:
            if len(self._remembered) >= _REMEMBERED_BLOCKS:
                self._remembered.clear()
            self._remembered[bytes(data)] = SeenBlock(headers)
        return headers

    def seen(self, data: bytes) -> SeenBlock | None:
        """What *data* decodes to, if it was decoded before and would be the same now."""
        return self._remembered.get(data)

    def _table_state(self) -> _TableState:
        entries = self.header_table.dynamic_entries
        return (entries[0] if entries else None, len(entries), self.header_table.maxsize)

    def _stands(self, before: _TableState) -> bool:
        """Whether the dynamic table is what it was at *before*, so that every block still means the same.

        Insertions put a new tuple in front; entries leave only at the back, or all together. So where the first entry is the
        very object that it was, nothing came; and where as many are left, nothing went. Where there is none, the table is empty.
        *before* holds the entry itself: one that had gone could lend its address to one that came, and an equal one is not it.
        """
        first, length, maxsize = self._table_state()
        return first is before[0] and length == before[1] and maxsize == before[2]


class _Silence:
    """Takes hpack's debug messages: 20 for each request, each costing a look at the logging configuration."""

    def debug(self, *_: object) -> None:
        """Say nothing."""


def silence_hpack() -> None:
    """Switch hpack's debug messages off for this process."""
    hpack.hpack.log = _Silence()  # type: ignore[assignment]  # it needs `debug` alone
