"""MySQL and MariaDB: a pool that never loses a waiter, transactions, and what may be repeated after which error.

The only package that sees aiomysql. Statements are elsewhere: in each service's `store/`, and in `runtime`'s own tables.
"""

from firewalker.runtime.mysql.database import Database
from firewalker.runtime.mysql.errors import DuplicateKey, OutcomeUnknown, StatementFailed
from firewalker.runtime.mysql.replica import Replica
from firewalker.runtime.mysql.retries import retried
from firewalker.runtime.mysql.transaction import Transaction

__all__ = ["Database", "DuplicateKey", "OutcomeUnknown", "Replica", "StatementFailed", "Transaction", "retried"]
