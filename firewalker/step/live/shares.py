"""Shares of all walkers: on a Redis Cluster the totals are spread over twelve hash tags, elsewhere there is one share of all.

What belongs to one share has its tag in its key, and so is on one server: totals, the epoch that vouches for them, the lock
of who fills it, the channel that tells of changes. A share is to a cluster what Redis as a whole is to one server.
"""

from datetime import date
from typing import NamedTuple

from firewalker.runtime import cluster

_BUCKETS = 0xFFF


class Share(NamedTuple):
    """One of *of* shares of all walkers."""

    number: int
    of: int
    tag: str

    @property
    def epoch(self) -> str:
        """There is such a key only while Redis has every total of the share: the filled server's run id, then the time."""
        return f"t:epoch:{{{self.tag}}}"

    @property
    def lock(self) -> str:
        """The key that is held by the process that rebuilds."""
        return f"t:rebuild:{{{self.tag}}}"

    @property
    def told(self) -> str:
        """Until when each process has told all of its commits: a hash by process, in Unix milliseconds."""
        return f"t:told:{{{self.tag}}}"

    @property
    def channel(self) -> str:
        """Where frames are published, by sharded pub/sub."""
        return f"t:frames:{{{self.tag}}}"

    def key(self, day: date, bucket: int) -> str:
        """The key of a bucket of *day*."""
        return f"t:{{{self.tag}}}:{day}:{bucket:x}"


def shares(redis_url: str) -> list[Share]:
    """All shares on the Redis at *redis_url*."""
    tags = cluster.tags(redis_url)
    return [Share(number, len(tags), tag) for number, tag in enumerate(tags)]


def share_of(user: bytes, of: int) -> int:
    """The number of the share that *user* is in. The same is in SQL, in `store/days.py`."""
    return user[-1] % of


def bucket_of(user: bytes) -> int:
    """The number of the bucket that *user* is in, of 4 096; all users of one bucket are in one share."""
    # The tail of a UUIDv7 is random; its first half is time.
    return int.from_bytes(user[-2:], "big") & _BUCKETS
