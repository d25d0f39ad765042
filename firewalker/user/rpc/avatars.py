"""Pictures on the wire, for `UserDoor`."""

from firewalker.gen.pb.firewalker.user import v1 as pb
from firewalker.kernel.ids import UserId, parse_uuid
from firewalker.user.domain.avatar import AvatarId
from firewalker.user.rpc import render
from firewalker.user.rpc.fields import ID_RULE, Fields
from firewalker.user.usecases.avatars import Avatars


class AvatarCalls:
    """The three calls about a user's own picture."""

    def __init__(self, avatars: Avatars) -> None:
        self._avatars = avatars

    async def promise(self, caller: UserId, message: pb.CreateAvatarUploadRequest) -> pb.CreateAvatarUploadResponse:
        """A place for a picture."""
        avatar, place = await self._avatars.promise(caller, message.content_type, message.size_bytes)
        return pb.CreateAvatarUploadResponse(
            upload_id=str(avatar.avatar_id),
            upload_url=place.url,
            headers=dict(place.headers),
            expire_time=avatar.expire_time,
        )

    async def commit(self, caller: UserId, message: pb.CommitAvatarRequest) -> pb.CommitAvatarResponse:
        """Make an uploaded picture the caller's."""
        fields = Fields()
        avatar_id = AvatarId(fields.read("upload_id", parse_uuid(message.upload_id), ID_RULE))
        fields.ensure_valid()
        return pb.CommitAvatarResponse(user=render.own_user(await self._avatars.commit(caller, avatar_id)))

    async def delete(self, caller: UserId) -> pb.DeleteAvatarResponse:
        """Have no picture."""
        await self._avatars.delete(caller)
        return pb.DeleteAvatarResponse()
