"""Pictures of users: promising a place, taking what was put there, removing."""

from uuid import uuid4

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database, retried
from firewalker.user.domain.avatar import COMMIT_TIME, SIZES, Avatar, AvatarId, name_of
from firewalker.user.domain.avatar_faults import UploadNotFound
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
        """A place for a picture of that type and size.

        Raises:
            AvatarTypeUnsupported, AvatarTooLarge: There is none for such.
        """
        at = moment(self._clock)
        avatar = Avatar.promised(AvatarId(uuid4()), caller, content_type, size_bytes, at)
        await self._promise(avatar)
        return avatar, await self._pictures.place(avatar)

    async def commit(self, caller: UserId, avatar_id: AvatarId) -> User:
        """Make what was put there the caller's picture. Repeating it is OK; committed when this returns.

        Raises:
            UploadNotFound: There is no such upload of the caller, or nothing was put there.
            AvatarInvalid: It cannot be decoded.
            Overloaded: Too many pictures are being decoded.
        """
        async with self._database.reading() as reading:
            avatar = await self._avatars.find(reading, avatar_id)
        if avatar is None:
            raise UploadNotFound
        avatar.ensure_committable(caller, self._clock.now())
        if not avatar.shown:
            content = await self._pictures.uploaded(avatar)
            if content is None:
                raise UploadNotFound
            for size, picture in zip(SIZES, await self._darkroom.develop(content, avatar.content_type), strict=True):
                await self._pictures.show(name_of(avatar_id, size), picture)
        user = await self._show(caller, avatar_id)
        await self._remove_others(caller, keep=avatar_id)
        return user

    async def delete(self, caller: UserId) -> None:
        """Have no picture. Committed when this returns."""
        await self._change(caller, "")
        await self._remove_others(caller, keep=None)

    async def erase(self, user: UserId) -> None:
        """Remove every picture of a user who was deleted; repeating it is harmless."""
        await self._remove_others(user, keep=None)

    async def forget(self) -> int:
        """Remove some that were promised and never taken, and tell how many."""
        before = self._clock.now() - COMMIT_TIME
        async with self._database.reading() as reading:
            forgotten = await self._avatars.list_forgotten(reading, before, FORGOTTEN_ROWS)
        for avatar in forgotten:
            await self._remove(avatar)
        return len(forgotten)

    @retried
    async def _promise(self, avatar: Avatar) -> None:
        async with self._database.transaction() as tx:
            await self._avatars.add(tx, avatar)

    async def _show(self, caller: UserId, avatar_id: AvatarId) -> User:
        return await self._change(caller, self._pictures.url_of(name_of(avatar_id, SIZES[-1])), avatar_id)

    @retried(idempotent=True)
    async def _change(self, caller: UserId, url: str, shown: AvatarId | None = None) -> User:
        async with self._database.transaction() as tx:
            before = await self._users.lock(tx, caller)
            after, events = before.picturing(url, moment(self._clock))
            if shown is not None:
                await self._avatars.show(tx, shown)
            if events:
                await self._users.save(tx, after)
                await self._facts.append(tx, events, {})
        return after

    async def _remove_others(self, user: UserId, keep: AvatarId | None) -> None:
        async with self._database.reading() as reading:
            avatars = await self._avatars.list_of(reading, user)
        for avatar in avatars:
            # One that was promised just now may be on its way.
            if avatar.avatar_id != keep and (avatar.shown or keep is None):
                await self._remove(avatar)
        if keep is not None:
            await self._pictures.forget_upload(keep)

    async def _remove(self, avatar: Avatar) -> None:
        """First the pictures, then the row: what is interrupted is done again."""
        await self._pictures.forget_upload(avatar.avatar_id)
        for size in SIZES:
            await self._pictures.hide(name_of(avatar.avatar_id, size))
        await self._forget_row(avatar)

    @retried(idempotent=True)
    async def _forget_row(self, avatar: Avatar) -> None:
        async with self._database.transaction() as tx:
            await self._avatars.delete(tx, avatar.avatar_id)
