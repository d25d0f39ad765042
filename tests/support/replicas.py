"""Which MySQL databases of a test have a replica that answers reads: none, unless `tests.scale.suites` has started one."""

from firewalker.runtime.mysql import Replica

READER = "reader"
"""The user of a replica, who may SELECT."""

_REPLICAS: dict[str, str] = {}
"""By the socket of a primary: the socket of its replica, both as in URLs."""


def answers_reads(primary: str, replica: str) -> None:
    """From now on, databases of root at the socket *primary* have a replica at the socket *replica*."""
    _REPLICAS[primary] = replica


def replica_url(mysql_url: str) -> str | None:
    """The URL of the replica of a database."""
    for primary, replica in _REPLICAS.items():
        if primary in mysql_url:
            return mysql_url.replace(primary, replica).replace("//root@", f"//{READER}@")
    return None


def replica_of(mysql_url: str) -> Replica | None:
    """The same to be asked, not opened yet."""
    url = replica_url(mysql_url)
    return None if url is None else Replica(mysql_url, url)
