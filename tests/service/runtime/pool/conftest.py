"""A database with a ledger, and a way to it that can be cut."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.service.runtime.pool.ledger import TABLE
from tests.support.databases import run_on
from tests.support.proxy import FaultProxy, fault_proxy


@pytest.fixture
async def proxy(mysql_url: str, tmp_path: Path) -> AsyncIterator[FaultProxy]:
    await run_on(mysql_url, TABLE)
    parts = urlsplit(mysql_url)
    socket = parse_qs(parts.query).get("unix_socket")
    async with fault_proxy(
        socket[0] if socket else (parts.hostname or "", parts.port or 3306), tmp_path / "s"
    ) as proxy:
        yield proxy


@pytest.fixture
def proxied_url(mysql_url: str, proxy: FaultProxy) -> str:
    return f"{mysql_url.partition('?')[0]}?unix_socket={quote(str(proxy.listen), safe='')}"
