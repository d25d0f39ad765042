"""What is kept in memory of each walker: read when it is asked for, and used until something about it changes."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, NamedTuple, TypeVar

from firewalker.kernel.ids import UserId
from firewalker.step.usecases.newcomers import Meet

V = TypeVar("V")


class _Entry(NamedTuple, Generic[V]):
    value: V
    read_at: float
    size: int


class Kept(Generic[V]):
    """Values of the walkers who were asked for last.

    *read* reads a walker's value; if it is not *known*, *meet* asks about the newcomer, and it is read again. A value is used
    until it is dropped, or older than *trusted_s* allows. All together have a *size* of at most *most*; those asked for longest
    ago go first. *monotonic* measures ages in seconds.
    """

    def __init__(
        self,
        read: Callable[[UserId], Awaitable[V]],
        *,
        known: Callable[[V], bool],
        meet: Meet,
        trusted_s: Callable[[V], float],
        size: Callable[[V], int] = lambda _: 1,
        most: int,
        monotonic: Callable[[], float],
    ) -> None:
        self._read = read
        self._known = known
        self._meet = meet
        self._trusted_s = trusted_s
        self._size_of = size
        self._most = most
        self._monotonic = monotonic
        self._entries: OrderedDict[bytes, _Entry[V]] = OrderedDict()
        self._size = 0
        self._reading: dict[bytes, object] = {}
        """For who is being read, the mark of the reading that may be kept: the last one begun, unless dropped meanwhile."""

    async def of(self, user_id: UserId) -> V:
        """The walker's value, kept or read now. Raises what *read* does."""
        user, now = user_id.bytes, self._monotonic()
        entry = self._entries.get(user)
        if entry is not None and now - entry.read_at <= self._trusted_s(entry.value):
            self._entries.move_to_end(user)
            return entry.value
        # What is dropped while it is being read may be from before the change: it is answered, but not kept.
        mark = self._reading[user] = object()
        try:
            value = await self._read(user_id)
            if not self._known(value) and await self._meet(user_id):
                mark = self._reading[user] = object()
                value = await self._read(user_id)
            if self._reading.get(user) is mark:
                self._keep(user, _Entry(value, now, self._size_of(value)))
            return value
        finally:
            if self._reading.get(user) is mark:
                del self._reading[user]

    def holds(self, user_id: UserId, value: V) -> bool:
        """Whether *value*, which `of` has answered, is still kept: nothing is known to have changed since."""
        entry = self._entries.get(user_id.bytes)
        return entry is not None and entry.value is value

    def drop(self, users: Iterable[bytes]) -> None:
        """Read the values of these users (16-byte ids) anew when they are next asked for."""
        for user in users:
            self._reading.pop(user, None)
            self._forget(user)

    def drop_all(self) -> None:
        """Read every value anew: changes may have gone unheard."""
        self._reading.clear()
        self._entries.clear()
        self._size = 0

    def _keep(self, user: bytes, entry: _Entry[V]) -> None:
        self._forget(user)
        self._entries[user] = entry
        self._size += entry.size
        while self._size > self._most and len(self._entries) > 1:
            self._forget(next(iter(self._entries)))

    def _forget(self, user: bytes) -> None:
        entry = self._entries.pop(user, None)
        if entry is not None:
            self._size -= entry.size
