"""Pictures of users: what may be uploaded, and for how long there is a place for it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
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


@dataclass(frozen=True, slots=True)
class Avatar:
    """A picture of *user_id*, promised or shown."""

    avatar_id: AvatarId
    user_id: UserId
    content_type: str
    size_bytes: int
    create_time: datetime
    shown: bool = False

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
            UploadNotFound: It is somebody else's, or too old.
        """
        if self.user_id != by or (not self.shown and at >= self.create_time + COMMIT_TIME):
            raise UploadNotFound


def name_of(avatar_id: AvatarId, size: int) -> str:
    """What the picture of that size is called in its storage, and behind the base of its link."""
    return f"{avatar_id.hex}/{size}.webp"
