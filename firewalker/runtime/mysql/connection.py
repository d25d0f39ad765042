"""One connection to a server: how it is opened, set up, asked and ended. Sharing connections is the pool's work."""

import asyncio
import contextlib
import random
from dataclasses import dataclass
from time import monotonic
from typing import Any

from aiomysql.connection import Connection as DriverConnection
from pymysql.constants import CLIENT, SERVER_STATUS
from pymysql.err import InternalError, MySQLError, OperationalError

from firewalker.runtime.mysql.address import Address
from firewalker.runtime.mysql.errors import breaks_connection
from firewalker.runtime.mysql.literals import DECODERS
from firewalker.runtime.mysql.rows import RowsResult

SQL_MODE = "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
"""The default of MySQL 8, set on every connection because MariaDB's is laxer; literals rely on it (backslash escapes)."""

CUTS_INSTANTS = "TIME_TRUNCATE_FRACTIONAL"
"""Has MySQL cut an instant to what its column holds, as MariaDB does, which does not know the word. MySQL would round: what was
done half a millisecond ago would be done in the future."""

COLLATION = "utf8mb4_unicode_ci"
"""One that MySQL and MariaDB both have; columns that are compared otherwise say so in the schema."""

CONNECT_S = 2.0
"""Longest time for connecting, signing in and the session's settings (DATA-04)."""

LOCK_WAIT_S = 3
"""Longest wait for a row lock (DATA-06)."""

METADATA_LOCK_WAIT_S = 5
"""Longest wait for a table's definition, which a migration may hold (DATA-06)."""

MAX_AGE_S = 300.0
"""Age at which a connection is replaced, less up to a tenth at random so that they do not all end at once (DATA-04)."""


@dataclass(slots=True)
class Result:
    """What a statement gave: its rows, or how many it changed."""

    rows: tuple[tuple[Any, ...], ...]
    affected: int


class _Wire(DriverConnection):  # type: ignore[misc]  # aiomysql ships no types
    """The driver's connection, with what it does too generously taken back."""

    _reader: asyncio.StreamReader | None
    _writer: asyncio.StreamWriter | None
    _result: Any

    def __init__(self, address: Address) -> None:
        super().__init__(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password.encode().decode("latin1"),  # the driver sends it as latin1; UTF-8 is meant
            db=address.database or None,
            unix_socket=address.unix_socket,
            ssl=address.tls,
            charset="utf8mb4",
            conv=DECODERS,
            autocommit=None,  # part of the session's settings, in the same round trip
            program_name="firewalker",
        )
        # One statement per call: what is injected, should it ever be, cannot append another.
        self.client_flag &= ~CLIENT.MULTI_STATEMENTS

    async def _request_authentication(self) -> None:
        if self._ssl_context and not self.server_capabilities & CLIENT.SSL:
            # The driver would go on in the clear: anybody between us could ask for that.
            raise OperationalError(2026, "the server offers no TLS")
        await super()._request_authentication()

    async def _read_query_result(self, unbuffered: bool = False) -> None:  # noqa: FBT001, FBT002 - the driver's
        del unbuffered
        self._result = None
        self._result = result = RowsResult(self)
        await result.read()
        self._affected_rows = result.affected_rows
        if result.server_status is not None:
            self.server_status = result.server_status

    @property
    def lost(self) -> bool:
        """Whether the server has hung up, as far as this side has heard, or is about to.

        What it says unasked is its leave: MySQL 8 gives the reason (shutdown, `wait_timeout`) and closes then.
        """
        reader, writer = self._reader, self._writer
        if reader is None or writer is None or writer.transport.is_closing():
            return True
        return reader.at_eof() or bool(reader._buffer)  # type: ignore[attr-defined]  # noqa: SLF001 - it shows nothing else of it

    @property
    def peer(self) -> object:
        """The address at the other end: host and port, or the path of a socket."""
        return None if self._writer is None else self._writer.get_extra_info("peername")

    def abort(self) -> None:
        """End at once, sending nothing more."""
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = self._reader = None


class Connection:
    """An open connection with this project's session settings. For one task at a time.

    Any doubt about what the server will send next (cancellation, time-out, protocol error) ends it: `usable` is false then.
    """

    __slots__ = ("_wire", "autocommit", "began", "busy", "expires", "generation", "mariadb", "peer", "server_id")

    def __init__(self, wire: _Wire, began: float) -> None:
        """*began* is when opening it did, by the monotonic clock."""
        self._wire = wire
        self.mariadb = "mariadb" in wire.server_version.lower()
        self.server_id: int = wire.server_thread_id[0]
        """The server's number for this connection, for KILL. Numbers begin anew when the server does."""
        self.began = began
        self.peer = wire.peer
        """The server's address, as the socket has it."""
        self.autocommit = True
        """Each statement commits by itself; else the first one begins a transaction. Whoever changes it says so here."""
        self.busy = False
        """A statement was sent and its answer has not fully come."""
        self.expires = monotonic() + MAX_AGE_S * random.uniform(0.9, 1.0)  # noqa: S311 - spreads, protects nothing
        self.generation = 0

    @property
    def usable(self) -> bool:
        """Whether a statement may be sent: not ended on either side and no answer outstanding."""
        return not self.busy and not self._wire.lost

    @property
    def in_transaction(self) -> bool:
        """Whether the server said that a transaction is open."""
        return bool(self._wire.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)

    @property
    def server_version(self) -> str:
        """As the server announces itself, such as ``5.5.5-10.11.19-MariaDB``."""
        version: str = self._wire.server_version
        return version

    async def ask(self, statement: str, limit_s: float) -> Result:
        """Send one statement and read its whole answer.

        Raises:
            MySQLError: The driver's, untranslated. The connection has ended if the error leaves it in doubt.
            TimeoutError: No whole answer within *limit_s*; the connection has ended.
        """
        wire, encoded = self._wire, statement.encode()
        self.busy = True
        try:
            async with asyncio.timeout(limit_s):
                # The driver's cursor would spend a round trip on SHOW WARNINGS wherever there is one.
                await wire.query(encoded)
        except MySQLError as error:
            self.busy = False
            if breaks_connection(error):
                wire.abort()
            raise
        except (TimeoutError, asyncio.CancelledError):
            wire.abort()  # still busy: whoever owns the connection may have the server stop the statement
            raise
        except Exception as error:
            wire.abort()
            # The driver stumbles in many ways over an answer that is none.
            raise InternalError(0, f"malformed answer ({type(error).__name__})") from error
        except BaseException:
            wire.abort()
            raise
        self.busy = False
        result = wire._result  # noqa: SLF001 - the driver shows it through its cursor only
        return Result(result.rows or (), wire._affected_rows)  # noqa: SLF001 - as above

    def abort(self) -> None:
        """End at once; the server rolls back what was not committed when it notices."""
        self._wire.abort()

    async def close(self) -> None:
        """Take leave properly. Never fails and never waits long."""
        with contextlib.suppress(MySQLError, OSError, TimeoutError):
            if self.usable:
                async with asyncio.timeout(0.5):
                    await self._wire.ensure_closed()
        self._wire.abort()


async def connect(address: Address, *, statement_s: float, read_only: bool = False) -> Connection:
    """Open a connection and set its session up; host names are looked up anew each time.

    *statement_s* is the server's own limit for a statement: for all of them on MariaDB, for SELECT on MySQL. Through a
    *read_only* one nothing can be changed, whatever the user may do.

    Raises:
        MySQLError: Not reached, not let in, or a setting was refused.
        TimeoutError: Not done within `CONNECT_S`.
    """
    wire, began = _Wire(address), monotonic()
    try:
        async with asyncio.timeout(CONNECT_S):
            await wire._connect()  # noqa: SLF001 - aiomysql.connect is this and no subclass
            connection = Connection(wire, began)
            await wire.query(_settings(connection.mariadb, statement_s, read_only))
    except (MySQLError, OSError):  # TimeoutError is an OSError
        wire.abort()
        raise
    except Exception as error:
        wire.abort()
        # Whatever greets us there, the driver stumbles over it in its own ways.
        raise InternalError(0, f"malformed greeting ({type(error).__name__})") from error
    except BaseException:
        # On cancellation the driver leaves its socket open.
        wire.abort()
        raise
    return connection


def _settings(mariadb: bool, statement_s: float, read_only: bool) -> str:  # noqa: FBT001 - private, and called once
    of_transactions = "tx" if mariadb else "transaction"
    limit = f"max_statement_time={statement_s:.3f}" if mariadb else f"max_execution_time={int(statement_s * 1000)}"
    sql_mode = SQL_MODE if mariadb else f"{SQL_MODE},{CUTS_INSTANTS}"
    return (
        f"SET NAMES utf8mb4 COLLATE {COLLATION}, SESSION {of_transactions}_isolation='READ-COMMITTED', "
        f"SESSION {of_transactions}_read_only={int(read_only)}, autocommit=1, time_zone='+00:00', "
        f"sql_mode='{sql_mode}', innodb_lock_wait_timeout={LOCK_WAIT_S}, lock_wait_timeout={METADATA_LOCK_WAIT_S}, {limit}"
    )
