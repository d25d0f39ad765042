"""Pictures of users: promising a place, taking what was put there, removing."""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database, Transaction, retried
from firewalker.user.domain.avatar import FORGET_TIME, SIZES, Avatar, AvatarId, State, crowded_out, name_of
from firewalker.user.domain.avatar_faults import UploadNotFound
from firewalker.user.domain.faults import UserNotFound
from firewalker.user.domain.user import User
from firewalker.user.store.avatars import Avatars as AvatarStore
from firewalker.user.store.users import Users
from firewalker.user.usecases.ports import Darkroom, Facts, Pictures, Place

FORGOTTEN_ROWS = 100


class Avatars:
    """Pictures, as far as their owners may act on them."""

    def __init__(
        self,
        *,
        database: Database,
        users: Users,
        avatars: AvatarStore,
        pictures: Pictures,
        darkroom: Darkroom,
        facts: Facts,
        clock: Clock,
    ) -> None:
        self._database = database
        self._users = users
        self._avatars = avatars
        self._pictures = pictures
        self._darkroom = darkroom
        self._facts = facts
        self._clock = clock

    async def promise(self, caller: UserId, content_type: str, size_bytes: int) -> tuple[Avatar, Place]:
        """A place for a picture of that type and size; the caller's oldest goes where there are too many.

        Raises:
            AvatarTypeUnsupported, AvatarTooLarge: There is none for such.
        """
        at = moment(self._clock)
        avatar = Avatar.promised(AvatarId(uuid4()), caller, content_type, size_bytes, at)
        for crowded in await self._promise(avatar):
            await self._hide(crowded)
        return avatar, await self._pictures.place(avatar)

    async def commit(self, caller: UserId, avatar_id: AvatarId) -> User:
        """Make what was put there the caller's picture. Repeating it is OK; committed when this returns.

        Raises:
            UploadNotFound: There is no such upload of the caller, or nothing was put there.
            AvatarInvalid: It cannot be decoded.
            Overloaded: Too many pictures are being decoded.
        """
        avatar = await self._find(caller, avatar_id)
        if avatar.state is State.PROMISED and not await self._develop(avatar):
            avatar = await self._find(caller, avatar_id)  # the same call, made twice, may just have taken it
            if avatar.state is State.PROMISED:
                raise UploadNotFound
        try:
            user = await self._show(caller, avatar_id)
        except (UploadNotFound, UserNotFound):
            await self._hide(avatar)  # whoever removed it may have done so before it was there
            raise
        await self._pictures.forget_upload(avatar_id)
        await self._clear(caller)
        return user

    async def delete(self, caller: UserId) -> None:
        """Have no picture, nor one under way. Committed when this returns."""
        await self._remove_all(caller)
        await self._clear(caller)

    async def erase(self, user: UserId) -> None:
        """Remove every picture of a user who was deleted. Repeated, it takes those that were under way; the erasure takes the rows."""
        for avatar in await self._list_of(user):
            await self._hide(avatar)

    async def forget(self) -> int:
        """Remove some that were promised and never taken, or removed and perhaps not wholly, and tell how many."""
        before = self._clock.now() - FORGET_TIME
        async with self._database.reading() as reading:
            forgotten = await self._avatars.list_forgotten(reading, before, FORGOTTEN_ROWS)
        for avatar in forgotten:
            await self._hide(avatar)
            await self._forget_row(avatar)
        return len(forgotten)

    async def _find(self, caller: UserId, avatar_id: AvatarId) -> Avatar:
        async with self._database.reading() as reading:
            avatar = await self._avatars.find(reading, avatar_id)
        if avatar is None:
            raise UploadNotFound
        avatar.ensure_committable(caller, self._clock.now())
        return avatar

    async def _list_of(self, user: UserId) -> Sequence[Avatar]:
        async with self._database.reading() as reading:
            return await self._avatars.list_of(reading, user)

    async def _develop(self, avatar: Avatar) -> bool:
        """Whether anything was put there; its pictures are where they can be shown then."""
        content = await self._pictures.uploaded(avatar)
        if content is None:
            return False
        for size, picture in zip(SIZES, await self._darkroom.develop(content, avatar.content_type), strict=True):
            await self._pictures.show(name_of(avatar.avatar_id, size), picture)
        return True

    # --- in one transaction, the user locked: whoever comes second sees what the first one made of the pictures -----------

    @retried
    async def _promise(self, avatar: Avatar) -> Sequence[Avatar]:
        async with self._database.transaction() as tx:
            await self._users.lock(tx, avatar.user_id)
            crowded = crowded_out(await self._avatars.list_of(tx, avatar.user_id))
            for each in crowded:
                await self._avatars.save(tx, each.becoming(State.REMOVED))
            await self._avatars.add(tx, avatar)
        return crowded

    @retried(idempotent=True)
    async def _show(self, caller: UserId, avatar_id: AvatarId) -> User:
        at = moment(self._clock)
        async with self._database.transaction() as tx:
            before = await self._users.lock(tx, caller)
            avatars = {avatar.avatar_id: avatar for avatar in await self._avatars.list_of(tx, caller)}
            if avatar_id not in avatars:
                raise UploadNotFound
            avatars[avatar_id].ensure_committable(caller, at)
            for each in avatars.values():
                if each.avatar_id != avatar_id and each.state is State.SHOWN:
                    await self._avatars.save(tx, each.becoming(State.REMOVED))
            await self._avatars.save(tx, avatars[avatar_id].becoming(State.SHOWN))
            return await self._name(tx, before, self._pictures.url_of(name_of(avatar_id, SIZES[-1])), at)

    @retried(idempotent=True)
    async def _remove_all(self, caller: UserId) -> None:
        async with self._database.transaction() as tx:
            before = await self._users.lock(tx, caller)
            for each in await self._avatars.list_of(tx, caller):
                await self._avatars.save(tx, each.becoming(State.REMOVED))
            await self._name(tx, before, "", moment(self._clock))

    async def _name(self, tx: Transaction, before: User, url: str, at: datetime) -> User:
        after, events = before.picturing(url, at)
        if events:
            await self._users.save(tx, after)
            await self._facts.append(tx, events, {})
        return after

    # --- afterwards -----------------------------------------------------------------------------------------------------

    async def _clear(self, user: UserId) -> None:
        """Hide what is removed, also by calls that did not get so far; after a crash `forget` does."""
        for avatar in await self._list_of(user):
            if avatar.state is State.REMOVED:
                await self._hide(avatar)

    async def _hide(self, avatar: Avatar) -> None:
        await self._pictures.forget_upload(avatar.avatar_id)
        for size in SIZES:
            await self._pictures.hide(name_of(avatar.avatar_id, size))

    @retried(idempotent=True)
    async def _forget_row(self, avatar: Avatar) -> None:
        async with self._database.transaction() as tx:
            await self._avatars.delete(tx, avatar.avatar_id)
