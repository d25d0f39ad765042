"""Pictures put together: their storage, their door, their upkeep. `app` puts it with the rest."""

from collections.abc import Sequence
from datetime import timedelta

from firewalker.kernel.clock import Clock
from firewalker.runtime.chores import Chore
from firewalker.runtime.config import read_key
from firewalker.runtime.mysql import Database
from firewalker.runtime.process import Part
from firewalker.user.config import UserConfig
from firewalker.user.darkroom import PillowDarkroom
from firewalker.user.picture_bucket import PictureBucket
from firewalker.user.picture_folder import PictureDoor, PictureFolder
from firewalker.user.picture_nowhere import PictureNowhere
from firewalker.user.rpc.avatars import AvatarCalls
from firewalker.user.store.avatars import Avatars as AvatarStore
from firewalker.user.store.users import Users
from firewalker.user.usecases.avatars import Avatars
from firewalker.user.usecases.ports import Facts, Pictures


class AvatarPart:
    """The pictures of users."""

    def __init__(self, config: UserConfig, *, database: Database, users: Users, facts: Facts, clock: Clock) -> None:
        darkroom = PillowDarkroom()
        parts: list[Part] = [darkroom]
        pictures: Pictures = PictureNowhere()
        if config.avatar_folder is not None:
            folder = PictureFolder(config.avatar_folder, config.avatar_url, read_key(config.page_key_file), clock)
            parts.append(PictureDoor(folder, config.host, config.media_port, share_port=config.share_port))
            parts.append(Chore("sweep uploads", timedelta(hours=1), folder.sweep))
            pictures = folder
        elif config.avatar_bucket is not None:
            pictures = PictureBucket(
                config.avatar_bucket, config.avatar_url, endpoint=config.avatar_endpoint, region=config.avatar_region
            )
        self.avatars = Avatars(
            database=database,
            users=users,
            avatars=AvatarStore(),
            pictures=pictures,
            darkroom=darkroom,
            facts=facts,
            clock=clock,
        )
        self.calls = AvatarCalls(self.avatars)
        """For the door of users."""
        self.parts: Sequence[Part] = (*parts, Chore("forget uploads", timedelta(hours=1), self.avatars.forget))
