"""A database: transactions and plain reads on it, and what becomes of the errors. Statements are the stores'."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING, Self, TypeAlias, TypeVar

from pymysql.err import MySQLError

from firewalker.kernel.faults import DeadlineExceeded, Overloaded
from firewalker.runtime import deadline, tracing
from firewalker.runtime.mysql.abandoned import Stopper
from firewalker.runtime.mysql.address import Address
from firewalker.runtime.mysql.connection import Connection, Result, connect
from firewalker.runtime.mysql.errors import READ_ONLY, ConnectionLost, NoAnswer, OutcomeUnknown, code_of, translated
from firewalker.runtime.mysql.pool import Pool
from firewalker.runtime.mysql.transaction import Transaction

if TYPE_CHECKING:
    from firewalker.runtime.mysql.replica import Replica

STATEMENT_S = 5.0
"""Longest time for a statement: the longest deadline of an ordinary call (NET-30). The server keeps it too."""

_GRACE_S = 1.0
"""How much longer than the server this side waits: normally the server's own answer comes first."""

_ROLLBACK_S = 1.0

R = TypeVar("R")
Read: TypeAlias = Callable[[Transaction], Awaitable[R]]


class Database:
    """One MySQL or MariaDB database, through at most *pool_size* connections and one more that stops abandoned work.

    Every connection runs READ COMMITTED, in UTC, strict, in utf8mb4. Nothing is connected before `open`.

    Reads have four doors. `reading` asks this server. The others ask its *replica*, if there is one that has what they want,
    and this server otherwise: `fresh`, `recent` and `lasting`, which differ in how old an answer may be.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        name: str = "",
        statement_s: float = STATEMENT_S,
        read_only: bool = False,
        replica: "Replica | None" = None,
    ) -> None:
        """*name* labels metrics and logs, by default the database's. *statement_s* limits each statement.

        Through *read_only* connections nothing can be changed. The *replica* is opened and closed with this.

        Raises:
            ValueError: The URL cannot be read.
        """
        self._address = Address.parse(url)
        self._statement_s = statement_s
        self._read_only = read_only
        self._replica = replica
        self.name = name or self._address.database
        self._stopper = Stopper(self._open_connection, self.name)
        self._pool = Pool(self._open_connection, size=pool_size, name=self.name, abandoned=self._stopper.stop)

    async def open(self) -> None:
        """Connect once, so that a wrong address shows at the start.

        Raises:
            DatabaseUnavailable: Not reached within 2 s, or not let in; the log has the error's number.
        """
        await self._pool.warm()
        if self._replica is not None:
            await self._replica.open()

    async def close(self) -> None:
        """Wait up to 5 s for what is under way, then end all connections. Calls are refused from now on."""
        if self._replica is not None:
            await self._replica.close()
        await self._pool.close()
        await self._stopper.close()

    async def ping(self) -> None:
        """Ask for nothing, to see whether there is an answer: the readiness check of a service.

        All connections in use is an answer too: load must not take a process out of service.

        Raises:
            DatabaseUnavailable, DeadlineExceeded: There is none.
        """
        with contextlib.suppress(Overloaded):
            async with self.reading() as tx:
                await tx.one("SELECT 1")

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def pool(self) -> Pool:
        """The connections, for readiness checks and tests."""
        return self._pool

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction: committed when the block is left, rolled back if by an exception or a cancellation.

        It begins with its first statement; without one, nothing is sent. Keep it short, with no other I/O inside.

        Raises:
            OutcomeUnknown: COMMIT was sent and no answer came.
            Contention, DatabaseUnavailable, DeadlineExceeded, Overloaded: Nothing was changed.
        """
        async with self._pool.lend(autocommit=False) as connection:
            await self._set_autocommit(connection, on=False)
            tx = Transaction(connection, self._ask)
            try:
                yield tx
            except asyncio.CancelledError:
                # The caller is gone and must not be kept; the server rolls back when it sees the connection close.
                if tx.used:
                    connection.abort()
                raise
            except BaseException:
                await self._roll_back(connection, tx)
                raise
            if tx.broken:
                await self._roll_back(connection, tx)
                raise RuntimeError("the transaction was undone by an error that its block has swallowed")
            if tx.used:
                await self._commit(connection)
        tx.committed()

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """A connection for SELECTs, each of which sees what is committed when it runs; no transaction around them."""
        async with self._pool.lend(autocommit=True) as connection:
            await self._set_autocommit(connection, on=True)
            try:
                yield Transaction(connection, self._ask)
            except asyncio.CancelledError:
                raise
            except BaseException:
                # Shows that the connection still answers, and to what it was asked.
                await self._quietly(connection, "ROLLBACK")
                raise

    async def fresh(self, read: Read[R]) -> R:
        """What *read* finds, with everything in it that was committed before this was called: by whomever, so by the caller.

        Here as in the other two doors *read* may run twice, first on a replica that then fails: it must only read.
        """
        if self._replica is not None and await self._replica.caught_up():
            with contextlib.suppress(NoAnswer):
                return await self._replica.ask(read)
        return await self._own(read)

    async def recent(self, read: Read[R]) -> R:
        """What *read* finds, in data that may be 10 s old."""
        if self._replica is not None and self._replica.recent:
            with contextlib.suppress(NoAnswer):
                return await self._replica.ask(read)
        return await self._own(read)

    async def lasting(self, read: Read[R | None]) -> R | None:
        """What *read* finds of what stays as it is once it is there; None if it is not.

        In data that may be 10 s old, and at the primary where that has nothing.
        """
        if self._replica is not None and self._replica.recent:
            with contextlib.suppress(NoAnswer):
                found = await self._replica.ask(read)
                if found is not None:
                    return found
        return await self._own(read)

    async def _own(self, read: Read[R]) -> R:
        if self._replica is not None:
            self._replica.metrics.read_by_primary()
        async with self.reading() as tx:
            return await read(tx)

    # --- asking --------------------------------------------------------------------------------------------------------

    async def _ask(self, connection: Connection, template: str, statement: str) -> Result:
        """Send *statement* within the deadline and translate what goes wrong; *template* is its text without values."""
        limit_s = deadline.within(self._statement_s + _GRACE_S)
        began = monotonic()
        try:
            with tracing.span("SQL", **{"db.system": "mysql", "db.namespace": self.name, "db.query.text": template}):
                return await connection.ask(statement, limit_s)
        except MySQLError as error:
            if code_of(error) in READ_ONLY:
                self._pool.distrust()
            # Not chained: the driver's texts hold values of rows.
            raise translated(error, template) from None
        except TimeoutError:
            if limit_s > self._statement_s:
                # The server did not keep its own limit, so it is not there any more, and the idle connections neither.
                self._pool.distrust()
                raise ConnectionLost from None
            raise DeadlineExceeded from None
        finally:
            self._pool.metrics.asked(monotonic() - began)

    async def _set_autocommit(self, connection: Connection, *, on: bool) -> None:
        if connection.autocommit is not on:
            await self._ask(connection, "SET autocommit", f"SET autocommit={int(on)}")
            connection.autocommit = on

    async def _commit(self, connection: Connection) -> None:
        if deadline.remaining() == 0:  # nobody waits for it any more
            await self._quietly(connection, "ROLLBACK")
            raise DeadlineExceeded
        began = monotonic()
        try:
            # Once begun it is given its time whatever the deadline: an answer is worth more than punctuality.
            with tracing.span("COMMIT"):
                await connection.ask("COMMIT", self._statement_s + _GRACE_S)
        except MySQLError as error:
            if code_of(error) in READ_ONLY:
                self._pool.distrust()
            fault = translated(error, "COMMIT")
            if connection.usable or code_of(error) in READ_ONLY:
                await self._quietly(connection, "ROLLBACK")
                raise fault from None  # the server answered: it did not commit
            raise OutcomeUnknown from None
        except TimeoutError:
            self._pool.distrust()
            raise OutcomeUnknown from None
        finally:
            self._pool.metrics.committed(monotonic() - began)

    async def _roll_back(self, connection: Connection, tx: Transaction) -> None:
        if tx.used:
            await self._quietly(connection, "ROLLBACK")

    async def _quietly(self, connection: Connection, statement: str) -> None:
        if not connection.usable:
            return
        try:
            await connection.ask(statement, _ROLLBACK_S)
        except (MySQLError, TimeoutError):
            connection.abort()  # the pool sees that it is gone

    async def _open_connection(self) -> Connection:
        return await connect(self._address, statement_s=self._statement_s, read_only=self._read_only)
