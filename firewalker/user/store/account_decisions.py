"""Rows of `account_decision`: what operators have decided of accounts. They are only ever added."""

from collections.abc import Sequence

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.account import AccountState, Decision

_ADD = """
    INSERT INTO account_decision (user_id, decide_time, state, operator)
    VALUES (%(user_id)s, %(at)s, %(state)s, %(operator)s)
"""

_LIST = """
    SELECT state, operator, decide_time FROM account_decision WHERE user_id = %(user_id)s ORDER BY decide_time DESC
"""  # primary key


async def add(tx: Transaction, user_id: UserId, decision: Decision) -> None:
    """Write down what was decided of an account that is locked."""
    params = {"user_id": user_id, "at": decision.at, "state": decision.state, "operator": decision.operator}
    await tx.execute(_ADD, params)


async def list_of(tx: Transaction, user_id: UserId) -> Sequence[Decision]:
    """All decisions of the user's account, the newest first."""
    rows = await tx.all(_LIST, {"user_id": user_id})
    return [Decision(AccountState(state), operator, at) for state, operator, at in rows]
