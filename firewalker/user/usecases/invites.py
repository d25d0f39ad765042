"""Codes by which others can ask for a user's friendship."""

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database, retried
from firewalker.runtime.repeats import UNNAMED, Once
from firewalker.user.domain.faults import InviteLimitReached, InviteNotFound
from firewalker.user.domain.invite import GOOD_FOR, MAX_INVITES, Invite, new_code
from firewalker.user.store.invites import Invites as InviteStore
from firewalker.user.store.limits import Limits


class Invites:
    """A user's codes."""

    def __init__(self, *, database: Database, invites: InviteStore, limits: Limits, clock: Clock) -> None:
        self._database = database
        self._invites = invites
        self._limits = limits
        self._clock = clock

    @retried
    async def create(self, caller: UserId, once: Once[Invite] = UNNAMED) -> Invite:
        """Make a code that is good for 7 days.

        Raises:
            InviteLimitReached: 20 of the caller's are good.
        """
        async with self._database.transaction() as tx:
            await once.begin(tx)
            at = moment(self._clock)
            await self._limits.lock(tx, caller)
            if await self._invites.count_good(tx, caller, at) >= MAX_INVITES:
                raise InviteLimitReached
            invite = Invite(new_code(), caller, at + GOOD_FOR)
            await self._invites.add(tx, invite)
            await once.finish(tx, invite)
        return invite

    @retried(idempotent=True)
    async def revoke(self, caller: UserId, code: str) -> None:
        """Make a code of the caller's useless; where there is none, nothing happens."""
        async with self._database.transaction() as tx:
            await self._invites.delete(tx, caller, code)

    async def get(self, caller: UserId, code: str) -> Invite:
        """The caller's invite with this code.

        Raises:
            InviteNotFound: There is none, it expired, or it is somebody else's.
        """
        async with self._database.reading() as tx:
            invite = await self._invites.find(tx, code, self._clock.now())
        if invite is None or invite.user_id != caller:
            raise InviteNotFound
        return invite
