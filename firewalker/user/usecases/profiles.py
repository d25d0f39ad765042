"""Users: their own profiles, what others see of them, and what others tell of them."""

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.ids import UserId, new_uuid7_at
from firewalker.kernel.paging import Page
from firewalker.runtime.mysql import Database, retried
from firewalker.runtime.repeats import UNNAMED, Once
from firewalker.user.domain.faults import CannotReportSelf
from firewalker.user.domain.friend_limits import REPORTS
from firewalker.user.domain.friendship import Friendship, Pair, State
from firewalker.user.domain.report import Report
from firewalker.user.domain.user import Card, User, Wish
from firewalker.user.store import reports
from firewalker.user.store.friendships import Friendships
from firewalker.user.store.limits import Limits
from firewalker.user.store.user_search import Found, search
from firewalker.user.store.users import Users
from firewalker.user.usecases.pages import page_of
from firewalker.user.usecases.ports import Facts


class Profiles:
    """Profiles, as far as their owners may act on them and others may see them."""

    def __init__(
        self, *, database: Database, users: Users, friendships: Friendships, limits: Limits, facts: Facts, clock: Clock
    ) -> None:
        self._database = database
        self._users = users
        self._friendships = friendships
        self._limits = limits
        self._facts = facts
        self._clock = clock

    async def me(self, caller: UserId) -> User:
        """The caller's own profile.

        Raises:
            UserNotFound: The account is gone, though its access token is still good.
        """
        async with self._database.reading() as reading:
            return await self._users.get(reading, caller)

    @retried(idempotent=True)
    async def update(self, caller: UserId, wish: Wish) -> User:
        """Change the caller's own profile. Idempotent.

        Raises:
            NicknameTaken: Another user has the nickname or one that looks like it.
            TimeZoneChangedToday: The time zone was changed on this date already.
        """
        async with self._database.transaction() as tx:
            before = await self._users.lock(tx, caller)
            after, events = before.wishing(wish, moment(self._clock))
            if events:
                await self._users.save(tx, after)
                await self._facts.append(tx, events, {})
        return after

    async def card(self, caller: UserId, user: UserId) -> tuple[Card, State]:
        """What everybody may see of *user*, and where the two stand, as the caller may know it.

        Whether *user* blocks the caller is not told by any of it.

        Raises:
            UserNotFound: There is no such user.
        """
        async with self._database.reading() as reading:
            card = await self._users.get_card(reading, user)
            if user == caller:
                return card, State.NONE
            pair = Pair.of(caller, user)
            between = (await self._friendships.list_of(reading, [pair])).get(pair, Friendship(pair))
        return card, between.as_seen_by(caller).state

    async def search(self, caller: UserId, prefix: str, size: int, cursor: str | None) -> Page[Found]:
        """Users whose nicknames begin with *prefix*, without those who block the caller or are blocked."""
        async with self._database.reading() as reading:
            found = await search(reading, self._friendships, viewer=caller, prefix=prefix, cursor=cursor, rows=size + 1)
        return page_of(found, size)

    @retried
    async def report(self, report: Report, once: Once[None] = UNNAMED) -> None:
        """Keep what one user tells of another, for the people who run the service.

        Raises:
            CannotReportSelf: They are the same.
            UserNotFound: There is no such user.
            DailyReportLimitReached: The reporter has reported 20 times in 24 hours.
        """
        if report.user == report.reporter:
            raise CannotReportSelf
        async with self._database.transaction() as tx:
            await once.begin(tx)
            await self._users.get_card(tx, report.user)
            await self._limits.lock(tx, report.reporter)
            await self._limits.use(tx, report.reporter, REPORTS, report.user, report.at)
            await reports.add(tx, new_uuid7_at(report.at), report)
            await once.finish(tx, None)
