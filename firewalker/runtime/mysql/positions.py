"""Positions: how far a server's history goes, as GTIDs in the words of either flavour. Who compares which is not known here."""

from typing import Final, Protocol

from firewalker.runtime.mysql.transaction import Transaction

TAKES_WRITES: Final = "CAST(@@GLOBAL.read_only AS CHAR) IN ('0', 'OFF')"
"""MySQL and MariaDB before 12 answer with a number, later ones with one of several words, which all count as 0."""


class Positions(Protocol):
    """Asks servers how far they are. `GTIDS` is what there is; tests have one of their own."""

    async def newest(self, tx: Transaction) -> str:
        """What names everything that is committed there by now; empty if the server does not number what it commits.

        Empty too if it takes no writes: then it is no primary any more, and writes are committed elsewhere.
        """

    async def reached(self, tx: Transaction, position: str, patience_s: float) -> bool:
        """Whether the server has everything up to *position*, after *patience_s* at most; 0 looks and does not wait."""


class _Gtids:
    """By the numbers that servers give transactions. No privilege is needed, and no clock is compared with another."""

    async def newest(self, tx: Transaction) -> str:
        # Without a binary log, or with another mode, it stands still, and everything would seem to have arrived.
        if tx.mariadb:
            (position,) = await tx.one(f"SELECT IF(@@GLOBAL.log_bin AND {TAKES_WRITES}, @@GLOBAL.gtid_current_pos, '')")
        else:
            (position,) = await tx.one(
                f"SELECT IF(@@GLOBAL.log_bin AND @@GLOBAL.gtid_mode = 'ON' AND {TAKES_WRITES}, "
                "@@GLOBAL.gtid_executed, '')"
            )
        return str(position)

    async def reached(self, tx: Transaction, position: str, patience_s: float) -> bool:
        if tx.mariadb:
            # Answers -1 when the time is up; MySQL 1.
            (answer,) = await tx.one("SELECT MASTER_GTID_WAIT(%s, %s)", (position, patience_s))
        elif patience_s > 0:
            (answer,) = await tx.one("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s)", (position, patience_s))
        else:  # 0 would wait for ever
            (answer,) = await tx.one("SELECT 1 - GTID_SUBSET(%s, @@GLOBAL.gtid_executed)", (position,))
        return bool(answer == 0)


GTIDS: Final[Positions] = _Gtids()
