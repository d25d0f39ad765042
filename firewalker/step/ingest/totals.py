"""After a commit: what the day's totals are now, for the answers and for live totals. Merging and storing are elsewhere."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from itertools import count, islice

from firewalker.kernel.clock import Clock
from firewalker.runtime.generations import Generations
from firewalker.runtime.mysql import Database, retried
from firewalker.step.domain.day import UserTotal
from firewalker.step.ingest.group import REFRESH_MS, Group
from firewalker.step.live import Frame, LiveTotals
from firewalker.step.store import days, reviews
from firewalker.step.store.keys import UserDate

OWED_PAUSE_S = 1.0
"""How long to wait before asking again for totals that MySQL did not tell after a commit."""

MOST_ASKED = 2_000
"""Totals that are owed and asked for at once, so that a group's answers do not wait for all of them."""

MOST_OWED = 100_000
"""With more to find out than this after a long failure, Redis is rebuilt instead."""


class Totals:
    """The totals of one lane's users, remembered and kept current by the frames of other processes."""

    def __init__(
        self, database: Database, live: LiveTotals, clock: Clock, *, max_known: int, moved: Callable[[UserDate], None]
    ) -> None:
        """*moved* is called with every user's date of which another process tells something new."""
        self._database = database
        self._clock = clock
        self._live = live
        self._known: Generations[UserDate, UserTotal] = Generations(max_known)
        self._moved = moved
        self._owed: dict[UserDate, int] = {}
        """Users' dates whose news are committed, or may be, and not announced yet, each with the number of the latest: what
        was asked before that does not tell of it. In order: the oldest is told first."""
        self._debts = count()
        self._pause_s = 0.0
        live.subscribe(self._hear, own=False)
        live.on_gap(self._known.clear)

    @property
    def due_s(self) -> float | None:
        """In how many seconds to `tell` even of an empty group; None if nothing is owed."""
        return self._pause_s if self._owed else None

    def owe(self, keys: Iterable[UserDate]) -> None:
        """What was sent to MySQL may be durable: everybody has to be told what it says now, whoever asks."""
        debt = next(self._debts)
        for key in keys:
            self._known.forget(key)
            self._owed[key] = debt
        if len(self._owed) > MOST_OWED:
            self._owed.clear()
            self._known.clear()
            self._live.give_up()

    async def tell(self, group: Group) -> dict[UserDate, UserTotal]:
        """The totals of every user's date in *group*, as their owners see them; standings hear of what is new.

        Asked after the commit, so that of two processes that commit a user's phone and watch, the later sees both.
        """
        self._pause_s = OWED_PAUSE_S  # unless it ends well
        late = [key for key, is_late in group.named.items() if is_late]
        totals, asked = self._remembered(group)
        news: dict[date, list[tuple[bytes, UserTotal]]] = {}
        for key, known in totals.items():
            heard_ms = group.heard.get(key, 0)
            if heard_ms - known.last_reading_ms >= REFRESH_MS:
                self._renew(news, key, known._replace(last_reading_ms=heard_ms))
        owed = {key: self._owed[key] for key in asked if key in self._owed}
        if asked:
            answers = await self._standing_totals(asked)
            suspects = {key: total.revision for key, total in answers.items() if total.held}
            if suspects:
                await self._notice(suspects)
            for key, total in answers.items():
                totals[key] = total
                heard_ms = max(total.last_reading_ms, group.heard.get(key, 0))
                self._renew(news, key, total._replace(last_reading_ms=heard_ms))
        for day, users in news.items():
            self._live.announce(Frame(day, users))
        if late:
            totals |= await self._owners_totals(late)
        for key, debt in owed.items():
            if self._owed.get(key) == debt:  # else it was corrected since it was asked for
                del self._owed[key]
        self._pause_s = 0.0
        return totals

    def _remembered(self, group: Group) -> tuple[dict[UserDate, UserTotal], set[UserDate]]:
        """The totals of *group* that are known without asking, and those that have to be asked for."""
        totals: dict[UserDate, UserTotal] = {}
        asked = set(islice(self._owed, MOST_ASKED))
        trusted = self._live.healthy  # else nobody tells of other processes' commits
        for key, late in group.named.items():
            if not late and key not in asked:
                sure = trusted and key not in group.cold and key not in self._owed
                known = self._known.get(key) if sure else None
                if known is None:
                    asked.add(key)
                else:
                    totals[key] = known
        return totals, asked

    def _renew(self, news: dict[date, list[tuple[bytes, UserTotal]]], key: UserDate, total: UserTotal) -> None:
        """Remember *total* and put it among the *news* to announce."""
        known = self._known.get(key)
        total = total if known is None else total.merged(known)
        self._known.put(key, total)
        news.setdefault(key[1], []).append((key[0], total))

    @retried(idempotent=True)
    async def _notice(self, suspects: Mapping[UserDate, int]) -> None:
        """Put them before those who review: durable before anybody is told of the readings."""
        async with self._database.transaction() as tx:
            await reviews.notice(tx, suspects, self._clock.now())

    @retried
    async def _standing_totals(self, keys: Iterable[UserDate]) -> dict[UserDate, UserTotal]:
        async with self._database.reading() as tx:
            return await days.find_totals(tx, keys)

    @retried
    async def _owners_totals(self, keys: Iterable[UserDate]) -> dict[UserDate, UserTotal]:
        async with self._database.reading() as tx:
            return await days.find_totals(tx, keys, late_included=True)

    def _hear(self, frame: Frame) -> None:
        """Another process committed: what is known here of its users is no longer all.

        A frame that tells nothing new, as those of a rebuild, is no sign of a commit.
        """
        day = frame.date
        for user, total in frame.totals:
            key = user, day
            known = self._known.get(key)
            merged = total if known is None else known.merged(total)
            if known is not None:
                self._known.put(key, merged)
            if merged != known:
                self._moved(key)
