"""What an error of the server means: which of them may be repeated, and as what they travel on.

The classes follow the manual's "InnoDB Error Handling" and requirement DATA-03. Texts of the server hold values of rows,
so none of them travels further than this module.
"""

import re

from pymysql.err import MySQLError

from firewalker.kernel.faults import Contention, DatabaseUnavailable, DeadlineExceeded

ROLLED_BACK = frozenset(
    {
        1213,  # deadlock: the whole transaction was rolled back
        1020,  # MariaDB: snapshot conflict, likewise
        1614,  # XA deadlock
        1205,  # lock wait timeout: only the statement was rolled back, so we roll back the rest
        1206,  # the lock table is full
        3572,  # NOWAIT, and somebody has the lock
    }
)
"""Roll back, then the whole transaction may run again."""

LOST = frozenset({
    1053,  # the server is shutting down
    1927,  # MariaDB: the connection was killed
    3169,  # the session was killed
    4031,  # disconnected for inactivity
    1152, 1153, 1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161, 1184,  # the network between us failed
})  # fmt: skip
"""The connection is gone, told by the server; the driver's own codes are 2000 to 2999."""

READ_ONLY = frozenset({1290, 1792, 1836})
"""This server takes no writes any more: it was demoted. All connections to it are to be dropped."""

FULL = frozenset({1040, 1203, 1226})
"""Too many connections; connecting again at once makes it worse."""

TIMED_OUT = frozenset({1317, 3024, 1969})
"""The statement was interrupted because its time was up."""

DUPLICATE = 1062

_DRIVER_CODES = range(2000, 3000)

# Texts that name columns, tables or privileges, never values.
_SAFE_TEXTS = frozenset(
    {1044, 1045, 1048, 1049, 1050, 1051, 1054, 1091, 1136, 1142, 1146, 1264, 1364, 1406, 3819, 4025}
)

_KEY = re.compile(r"for key '([^']*)'$")


class ConnectionLost(DatabaseUnavailable):
    """The connection broke before COMMIT was sent: nothing of the transaction is left, it may run again."""


class OutcomeUnknown(DatabaseUnavailable):
    """COMMIT was sent and no answer came: the change is made or it is not. Look before repeating what is not idempotent."""


class DuplicateKey(Exception):
    """A row with the same unique key exists. *key* is the index's name; the store that knows it makes a fault of it."""

    def __init__(self, key: str) -> None:
        super().__init__(f"duplicate key {key}")
        self.key = key


class StatementFailed(Exception):
    """The server refuses a statement: a bug of ours. *code* is the server's error number, *statement* has no values in it."""

    def __init__(self, code: int, text: str, statement: str) -> None:
        super().__init__(f"MySQL error {code}{f' ({text})' if text else ''} in: {' '.join(statement.split())}")
        self.code = code
        self.statement = statement


class NoAnswer(Exception):
    """The replica did not answer a read."""


def code_of(error: BaseException) -> int:
    """The number of a driver's error; 0 where it has none (the driver's own state errors)."""
    found = error.args[0] if error.args else 0
    return found if isinstance(found, int) else 0


def breaks_connection(error: MySQLError) -> bool:
    """Whether the connection must not be used again: no well-formed answer came, or the server gave it up."""
    code = code_of(error)
    # Below 1000 are the driver's complaints about its own state or the packets' order.
    return code < 1000 or code in _DRIVER_CODES or code in LOST or code in READ_ONLY  # noqa: PLR2004 - said above


def translated(error: MySQLError, statement: str) -> Exception:
    """What to raise for *error* of *statement* (its text without values), before COMMIT was sent."""
    code = code_of(error)
    if code in ROLLED_BACK:
        return Contention()
    if code in TIMED_OUT:
        return DeadlineExceeded()
    if code == DUPLICATE:
        found = _KEY.search(str(error.args[1]))
        # MySQL 8 writes table.key, MariaDB the key alone.
        return DuplicateKey(found[1].rpartition(".")[2] if found else "")
    if breaks_connection(error):
        return ConnectionLost()
    if code in FULL:
        return DatabaseUnavailable()
    return StatementFailed(code, str(error.args[1]) if code in _SAFE_TEXTS else "", statement)
