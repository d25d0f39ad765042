"""A database with an outbox."""

from collections.abc import AsyncIterator

import pytest

from firewalker.runtime.mysql import Database
from tests.support.outboxes import make_outbox


@pytest.fixture
async def url(mysql_url: str) -> str:
    await make_outbox(mysql_url)
    return mysql_url


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    async with Database(url, pool_size=6) as database:
        yield database
