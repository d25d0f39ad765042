"""Databases that have the outbox's tables and no others."""

from importlib import resources

from firewalker.runtime.migrations import statements_of
from tests.support.databases import run_on


async def make_outbox(url: str) -> None:
    """Make them, as the runtime ships them."""
    schema = (resources.files("firewalker.runtime.outbox") / "schema.sql").read_text()
    await run_on(url, *statements_of(schema))
