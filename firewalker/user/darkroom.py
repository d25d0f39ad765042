"""Decoding pictures of strangers: off the loop, few at a time, bounded in pixels; what comes out has nothing of the file but pixels."""

import asyncio
import io
from collections.abc import Sequence
from datetime import timedelta

from PIL import Image, ImageOps

from firewalker.kernel.faults import Overloaded
from firewalker.user.domain.avatar import CONTENT_TYPES, MAX_PIXELS, SIZES
from firewalker.user.domain.avatar_faults import AvatarInvalid

AT_ONCE = 2
"""Pictures decoded at once: each takes some 120 MB and half a second at the most."""

MOST_WAITING = 16
QUALITY = 82

Image.MAX_IMAGE_PIXELS = MAX_PIXELS


class PillowDarkroom:
    """Pillow, on threads."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def develop(self, content: bytes, content_type: str) -> Sequence[bytes]:
        """One WebP for each of `SIZES`, never larger than the original.

        Raises:
            AvatarInvalid: It is no picture of that type, or has too many pixels.
            Overloaded: Too many are being decoded.
        """
        if self._waiting >= MOST_WAITING:
            raise Overloaded(retry_after=timedelta(seconds=2))
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(_develop, content, CONTENT_TYPES[content_type])
        finally:
            self._waiting -= 1


def _develop(content: bytes, form: str) -> list[bytes]:
    try:
        # Only the decoder of the promised type is tried; the size is known before any pixel is.
        with Image.open(io.BytesIO(content), formats=[form]) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise AvatarInvalid  # noqa: TRY301 - the one way out that is ours
            opened.draft("RGB", (2 * SIZES[-1], 2 * SIZES[-1]))  # a large JPEG is decoded smaller at once
            picture = ImageOps.exif_transpose(opened)
            upright = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    except AvatarInvalid:
        raise
    except Exception:  # noqa: BLE001 - whatever a decoder says of a stranger's bytes
        raise AvatarInvalid from None
    made = []
    for size in SIZES:
        copy = upright.copy()
        copy.thumbnail((size, size))
        out = io.BytesIO()
        # A new image: no EXIF, no profile, no comments, unless they were given here.
        Image.frombytes(copy.mode, copy.size, copy.tobytes()).save(out, "WEBP", quality=QUALITY)
        made.append(out.getvalue())
    return made
