"""No storage for pictures: nobody can have one."""

from firewalker.user.domain.avatar import Avatar, AvatarId
from firewalker.user.domain.avatar_faults import PicturesUnavailable
from firewalker.user.usecases.ports import Place


class PictureNowhere:
    """Where neither a folder nor a bucket is configured."""

    async def place(self, avatar: Avatar) -> Place:  # noqa: ARG002 - there is no place for any
        """There is none."""
        raise PicturesUnavailable

    async def uploaded(self, avatar: Avatar) -> bytes | None:  # noqa: ARG002 - nothing was put anywhere
        """Nothing."""
        return None

    async def forget_upload(self, avatar_id: AvatarId) -> None:
        """Nothing was put anywhere."""

    async def show(self, name: str, content: bytes) -> None:  # noqa: ARG002 - nowhere
        """There is no place for it."""
        raise PicturesUnavailable

    async def hide(self, name: str) -> None:
        """Nothing is shown."""

    def url_of(self, name: str) -> str:  # noqa: ARG002 - nothing has one
        """There is none."""
        raise PicturesUnavailable
