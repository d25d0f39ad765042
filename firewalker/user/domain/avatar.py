"""Pictures of users: what may be uploaded, and for how long there is a place for it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import NewType
from uuid import UUID

from firewalker.kernel.ids import UserId
from firewalker.user.domain.avatar_faults import AvatarTooLarge, AvatarTypeUnsupported, UploadNotFound

AvatarId = NewType("AvatarId", UUID)

MAX_BYTES = 5 * 1024 * 1024
"""Largest upload (contract)."""

CONTENT_TYPES = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
"""What may be uploaded (contract), and what decoders call it."""

MAX_PIXELS = {"image/jpeg": 40_000_000, "image/png": 16_000_000, "image/webp": 16_000_000}
"""Most pixels that are decoded: more than phones' cameras make, and than screens have. JPEG can be decoded at a part of its
size; of the others every pixel takes its place in memory, of WebP four times."""

SIZES = (256, 1024)
"""Longest sides of the pictures that are shown; the last is the one that profiles name."""

UPLOAD_TIME = timedelta(minutes=10)
"""How long there is a place."""

COMMIT_TIME = timedelta(hours=1)
"""How long what was put there can be taken."""

FORGET_TIME = COMMIT_TIME + timedelta(minutes=5)
"""So old, what is not shown goes for good: nobody can still be about to show it, by any clock and after any wait."""

MOST_PLACES = 5
"""Uploads that a user may have a place for at once; a further one gets the place of the oldest."""


class State(Enum):
    """What became of a picture that was promised a place."""

    PROMISED = 0
    """There is a place for it."""
    SHOWN = 1
    """It is the one that its user's profile names: each has at most one."""
    REMOVED = 2
    """Nobody is to see it any more. What is known of it stays until `FORGET_TIME`, so that nobody shows it meanwhile."""


@dataclass(frozen=True, slots=True)
class Avatar:
    """A picture of *user_id*."""

    avatar_id: AvatarId
    user_id: UserId
    content_type: str
    size_bytes: int
    create_time: datetime
    state: State = State.PROMISED

    @classmethod
    def promised(
        cls, avatar_id: AvatarId, user_id: UserId, content_type: str, size_bytes: int, at: datetime
    ) -> "Avatar":
        """A place for a picture of that type and size.

        Raises:
            AvatarTypeUnsupported, AvatarTooLarge: There is none for such.
        """
        if content_type not in CONTENT_TYPES:
            raise AvatarTypeUnsupported
        if not 0 < size_bytes <= MAX_BYTES:
            raise AvatarTooLarge
        return cls(avatar_id, user_id, content_type, size_bytes, at)

    @property
    def expire_time(self) -> datetime:
        """Until when the bytes can be put."""
        return self.create_time + UPLOAD_TIME

    def ensure_committable(self, by: UserId, at: datetime) -> None:
        """Return if *by* may make it their picture at *at*.

        Raises:
            UploadNotFound: It is somebody else's, was removed, or is too old.
        """
        late = self.state is State.PROMISED and at >= self.create_time + COMMIT_TIME
        if self.user_id != by or self.state is State.REMOVED or late:
            raise UploadNotFound

    def becoming(self, state: State) -> "Avatar":
        """The same, of which that became."""
        return replace(self, state=state)


def crowded_out(avatars: Iterable[Avatar]) -> Sequence[Avatar]:
    """Those of one user's pictures whose places are needed for a further one."""
    places = [avatar for avatar in avatars if avatar.state is State.PROMISED]
    places.sort(key=lambda avatar: (avatar.create_time, avatar.avatar_id))
    return places[: max(0, len(places) + 1 - MOST_PLACES)]


def name_of(avatar_id: AvatarId, size: int) -> str:
    """What the picture of that size is called in its storage, and behind the base of its link."""
    return f"{avatar_id.hex}/{size}.webp"
