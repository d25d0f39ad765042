"""What stores are handed to put their statements on: rows out, counts back. Beginning and ending it is the database's work."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from firewalker.runtime.mysql.connection import Connection, Result
from firewalker.runtime.mysql.errors import DuplicateKey, StatementFailed
from firewalker.runtime.mysql.literals import Params, fill, fill_rows

Ask = Callable[[Connection, str, str], Awaitable[Result]]


class Transaction:
    """Statements on one connection. Handed out by `Database`; of no use once its block is left."""

    __slots__ = ("_broken", "_connection", "_followers", "_send", "used")

    def __init__(self, connection: Connection, ask: Ask) -> None:
        """*ask* sends a statement, given also as text without values, and translates what goes wrong."""
        self._connection = connection
        self._send = ask
        self._broken = False
        self._followers: list[Callable[[], None]] = []
        self.used = False
        """Whether anything was asked at all."""

    @property
    def mariadb(self) -> bool:
        """Whether the server is MariaDB."""
        return self._connection.mariadb

    @property
    def broken(self) -> bool:
        """An error has undone the transaction, or parts of it: nothing more may be asked."""
        return self._broken

    async def execute(self, sql: str, params: Params = ()) -> int:
        """Run a statement and tell how many rows it changed.

        An UPDATE counts rows whose values differ afterwards. INSERT … ON DUPLICATE KEY UPDATE counts 1 for a new row,
        2 for a changed one, 0 for one that stayed as it was.

        Raises:
            DuplicateKey: A unique key exists already; the transaction goes on.
            Contention: Rolled back by a deadlock or a lock that was not granted within 3 s; `retried` repeats it.
            DeadlineExceeded: The call's deadline, or 5 s, passed first.
            DatabaseUnavailable: The connection broke; nothing of the transaction is left.
        """
        return (await self._ask(sql, fill(sql, params))).affected

    async def execute_rows(self, sql_head: str, row: str, rows: Sequence[Sequence[object]], sql_tail: str = "") -> int:
        """Run one statement for many *rows*: *sql_head*, then *row* (``(%s,%s)``) once for each, then *sql_tail*.

        Sort the rows by primary key, or two such statements deadlock. No rows: nothing is sent, 0. For the count and the
        errors see `execute`.
        """
        if not rows:
            return 0
        statement = f"{sql_head} {fill_rows(row, rows)} {sql_tail}"
        return (await self._ask(f"{sql_head} {row} {sql_tail}", statement)).affected

    async def one(self, sql: str, params: Params = ()) -> tuple[Any, ...]:
        """The first row.

        Raises:
            LookupError: There is none. For the other errors see `execute`.
        """
        found = await self.find(sql, params)
        if found is None:
            raise LookupError("no row")
        return found

    async def find(self, sql: str, params: Params = ()) -> tuple[Any, ...] | None:
        """The first row, or None if there is none. For the errors see `execute`."""
        rows = (await self._ask(sql, fill(sql, params))).rows
        return rows[0] if rows else None

    async def all(self, sql: str, params: Params = ()) -> Sequence[tuple[Any, ...]]:
        """All rows, in memory at once: limit the statement. For the errors see `execute`."""
        return (await self._ask(sql, fill(sql, params))).rows

    def after_commit(self, follow: Callable[[], None]) -> None:
        """Have *follow* called once the transaction is committed, and not otherwise. It must return at once and not fail."""
        if follow not in self._followers:
            self._followers.append(follow)

    def committed(self) -> None:
        """Call what waits for the commit. The database's business."""
        for follow in self._followers:
            follow()

    async def _ask(self, template: str, statement: str) -> Result:
        if self._broken:
            raise RuntimeError("the transaction was undone by an earlier error; leave its block")
        self.used = True
        try:
            return await self._send(self._connection, template, statement)
        except (DuplicateKey, StatementFailed):
            raise
        except BaseException:
            self._broken = True
            raise
