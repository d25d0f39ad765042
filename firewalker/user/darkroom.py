"""Decoding pictures of strangers: off the loop, one at a time, bounded in pixels, memory and time.

What comes out has nothing of the file but pixels, upright and in the colours of screens (sRGB).
"""

import asyncio
import contextlib
import io
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar, cast

from PIL import ExifTags, Image, ImageCms, ImageOps, PngImagePlugin

from firewalker.kernel.faults import Overloaded
from firewalker.user.domain.avatar import CONTENT_TYPES, MAX_PIXELS, SIZES
from firewalker.user.domain.avatar_faults import AvatarInvalid

AT_ONCE = 1
"""Pictures decoded at once. The worst takes 360 MiB, a phone's 70 MiB and a quarter of a second (`python -m tests.bench.pictures`):
the smallest machine, of 2 GiB, has room for one in each of its processes."""

MOST_WAITING = 16
QUALITY = 82

DECODE_S = 3.0
"""Longest time of a core for one picture, five times that of the worst honest one: files can be made to take minutes."""

BLOCK = 4_096
"""Bytes read at a time: with each few dozen of them a JPEG can have all of its pixels gone over once more."""

PROFILE_BYTES = 16_384
"""Largest profile of colours that is followed. Those of cameras and screens are below 4 KiB; printers' take long."""

_GAP = 2
"""So much larger than needed it may be when it is resampled; what is still larger is shrunk by whole numbers first."""

_RESAMPLED = {"L", "LA", "RGB", "RGBA", "CMYK"}
_SRGB = ImageCms.createProfile("sRGB")

R = TypeVar("R")

Image.MAX_IMAGE_PIXELS = max(MAX_PIXELS.values())
PngImagePlugin.MAX_TEXT_MEMORY = PngImagePlugin.MAX_TEXT_CHUNK


class PillowDarkroom:
    """Pillow, on a thread of its own. A part of the process.

    Who is cancelled while waiting has nothing decoded. A picture that is begun is decoded to its end and keeps the thread until
    then, whether or not anybody still waits for it.
    """

    def __init__(self, decode_s: float = DECODE_S) -> None:
        self._decode_s = decode_s
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="darkroom")
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def start(self) -> None:
        """Nothing is done before there is a picture."""

    async def stop(self) -> None:
        """Wait for the picture that is begun."""
        await asyncio.to_thread(self._pool.shutdown)

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
            return await self._run(lambda: _develop(content, content_type, self._decode_s))
        finally:
            self._waiting -= 1

    async def _run(self, work: Callable[[], R]) -> R:
        await self._turns.acquire()
        # The turn is the thread's until the work is done: cancelling the caller does not stop Pillow.
        try:
            running = self._pool.submit(work)
        except BaseException:
            self._turns.release()
            raise
        loop = asyncio.get_running_loop()
        running.add_done_callback(lambda _: loop.call_soon_threadsafe(self._turns.release))
        return await asyncio.wrap_future(running)


class _Patience(io.BytesIO):
    """A file that can be read until the thread that made it has worked for *limit_s*."""

    def __init__(self, content: bytes, limit_s: float) -> None:
        super().__init__(content)
        self._until = time.thread_time() + limit_s

    def read(self, size: int | None = -1, /) -> bytes:
        if time.thread_time() > self._until:
            raise TimeoutError
        return super().read(size)


def _develop(content: bytes, content_type: str, limit_s: float) -> list[bytes]:
    try:
        # Only the decoder of the promised type is tried; the size is known before any pixel is.
        with Image.open(_Patience(content, limit_s), formats=[CONTENT_TYPES[content_type]]) as opened:
            if opened.width * opened.height > MAX_PIXELS[content_type]:
                raise AvatarInvalid  # noqa: TRY301 - the one way out that is ours
            opened.decodermaxblock = BLOCK
            upright = _turned(_in_colours_of_screens(_shrunk(opened)), opened)
    except AvatarInvalid:
        raise
    except Exception:  # noqa: BLE001 - whatever a decoder says of a stranger's bytes
        raise AvatarInvalid from None
    return [_webp(upright, size) for size in SIZES]


def _shrunk(opened: Image.Image) -> Image.Image:
    """The picture, no larger than is shown. Only up to here are there many pixels: *opened* itself is shrunk where it can be."""
    # A large JPEG is decoded smaller at once. By its longer side, or a narrow one would not be.
    scale = _GAP * SIZES[-1] / max(opened.size)
    opened.draft(None, (math.ceil(scale * opened.width), math.ceil(scale * opened.height)))
    if opened.mode == "I;16":
        picture = opened.point(lambda grey: grey / 256).convert("L")  # which would make everything white by itself
        picture.info.pop("transparency", None)  # one of 65536 greys
    elif opened.mode not in _RESAMPLED or "transparency" in opened.info:
        picture = opened.convert("RGBA" if opened.has_transparency_data else "RGB")
    else:
        picture = opened
    picture.thumbnail((SIZES[-1], SIZES[-1]), reducing_gap=_GAP)
    return picture


def _in_colours_of_screens(picture: Image.Image) -> Image.Image:
    """The same, as RGB without the profile that says what else its numbers mean: on phones, a wider range of colours."""
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    profile = picture.info.get("icc_profile", b"")
    if 0 < len(profile) <= PROFILE_BYTES:
        with contextlib.suppress(ImageCms.PyCMSError, OSError):  # none, or one of another kind of picture
            seen = ImageCms.profileToProfile(picture, io.BytesIO(profile), _SRGB, outputMode=mode)
            return cast("Image.Image", seen)
    return picture.convert(mode)


def _turned(picture: Image.Image, opened: Image.Image) -> Image.Image:
    """The same, upright, if *opened* says how it lies; a new one, which knows nothing else of what was said there."""
    new = Image.frombytes(picture.mode, picture.size, picture.tobytes())
    with contextlib.suppress(Exception):  # notes that cannot be read are no reason to refuse a picture
        new.getexif()[ExifTags.Base.Orientation] = opened.getexif().get(ExifTags.Base.Orientation, 1)
    return ImageOps.exif_transpose(new)


def _webp(picture: Image.Image, size: int) -> bytes:
    copy, out = picture.copy(), io.BytesIO()
    copy.thumbnail((size, size))
    copy.save(out, "WEBP", quality=QUALITY)
    return out.getvalue()
