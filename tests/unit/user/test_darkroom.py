"""The darkroom: what becomes of the kinds of pictures that people and strangers send. Every file is one that Pillow made."""

import asyncio
import io
import re
import struct
import threading
import warnings
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from PIL import Image, ImageCms

from firewalker.kernel.faults import Overloaded
from firewalker.user.darkroom import MOST_WAITING, PillowDarkroom
from firewalker.user.domain.avatar import CONTENT_TYPES, SIZES
from firewalker.user.domain.avatar_faults import AvatarInvalid
from tests.support.waiting import until

TYPES = {form: content_type for content_type, form in CONTENT_TYPES.items()}
RED, GREEN, BLUE, WHITE = (220, 20, 20), (20, 180, 20), (20, 20, 220), (250, 250, 250)
TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What a camera does to a picture that is to be turned back in the way of that number (EXIF 2.3, 4.6.4)."""


@pytest.fixture
async def darkroom() -> AsyncIterator[PillowDarkroom]:
    made = PillowDarkroom()
    await made.start()
    yield made
    await made.stop()


def saved(picture: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def quarters(mode: str = "RGB") -> Image.Image:
    """60 by 40 pixels, a colour in each corner."""
    picture = Image.new("RGB", (60, 40), WHITE)
    picture.paste(RED, (0, 0, 30, 20))
    picture.paste(GREEN, (30, 0, 60, 20))
    picture.paste(BLUE, (0, 20, 30, 40))
    return picture.convert(mode)


async def developed(darkroom: PillowDarkroom, content: bytes, form: str) -> Image.Image:
    """The large one of the pictures that are made of *content*."""
    made = await darkroom.develop(content, TYPES[form])
    assert len(made) == len(SIZES)
    opened = Image.open(io.BytesIO(made[-1]))
    assert opened.format == "WEBP"
    assert not {"exif", "xmp", "icc_profile"} & opened.info.keys()
    return opened


def near(colour: tuple[int, ...], expected: tuple[int, ...], within: int = 24) -> bool:
    return all(abs(one - other) <= within for one, other in zip(colour, expected, strict=True))


def corners(picture: Image.Image) -> list[tuple[int, ...]]:
    right, below = picture.width - 8, picture.height - 8
    found = [picture.convert("RGB").getpixel(at) for at in ((8, 8), (right, 8), (8, below), (right, below))]
    return [pixel for pixel in found if isinstance(pixel, tuple)]


def are_quarters(picture: Image.Image) -> bool:
    expected = (RED, GREEN, BLUE, WHITE)
    return picture.size == (60, 40) and all(map(near, corners(picture), expected))


@pytest.mark.parametrize("form", TYPES)
@pytest.mark.parametrize("number", TURNS)
async def test_pictures_are_turned_upright(darkroom: PillowDarkroom, form: str, number: int) -> None:
    turn, exif = TURNS[number], Image.Exif()
    exif[0x0112] = number
    lying = quarters() if turn is None else quarters().transpose(turn)
    assert are_quarters(await developed(darkroom, saved(lying, form, exif=exif), form))


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0no notes",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0",
    ],
    ids=["words", "cut off", "no such turn"],
)
async def test_notes_that_mean_nothing_are_no_reason_to_refuse_a_picture(darkroom: PillowDarkroom, exif: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert are_quarters(await developed(darkroom, saved(quarters(), "JPEG", exif=exif, quality=95), "JPEG"))


@pytest.mark.parametrize(
    ("mode", "form", "options"),
    [
        ("RGB", "JPEG", {"progressive": True}),
        ("RGB", "JPEG", {"subsampling": 0, "optimize": True}),
        ("CMYK", "JPEG", {}),
        ("RGB", "PNG", {}),
        ("P", "PNG", {}),
        ("RGBA", "PNG", {}),
        ("RGB", "WEBP", {}),
        ("RGBA", "WEBP", {"lossless": True}),
    ],
)
async def test_colours_stay_as_they_are(
    darkroom: PillowDarkroom, mode: str, form: str, options: dict[str, Any]
) -> None:
    assert are_quarters(await developed(darkroom, saved(quarters(mode), form, **options), form))


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
async def test_greys_stay_as_they_are(darkroom: PillowDarkroom, mode: str) -> None:
    greys = Image.new("L", (60, 40), 0)
    greys.paste(255, (30, 0, 60, 40))
    picture = await developed(darkroom, saved(greys.convert(mode), "PNG"), "PNG")
    assert all(map(near, corners(picture), ((0, 0, 0), (255, 255, 255)) * 2))


@pytest.mark.parametrize("options", [{}, {"transparency": 0}])
async def test_greys_of_16_bits_are_as_bright_as_they_were(darkroom: PillowDarkroom, options: dict[str, Any]) -> None:
    greys = Image.new("I;16", (60, 40), 0)
    greys.paste(Image.new("I;16", (30, 40), 0x8000), (30, 0))
    picture = await developed(darkroom, saved(greys, "PNG", **options), "PNG")
    assert all(map(near, corners(picture), ((0, 0, 0), (128, 128, 128)) * 2))


SEEN_THROUGH: Mapping[str, Callable[[Image.Image], bytes]] = {
    "RGBA": lambda half: saved(half, "PNG"),
    "LA": lambda half: saved(half.convert("LA"), "PNG"),
    "P": lambda half: saved(half.quantize(2), "PNG"),
    "RGB": lambda half: saved(half.convert("RGB"), "PNG", transparency=(0, 0, 0)),
    "L": lambda half: saved(half.convert("L"), "PNG", transparency=0),
    "1": lambda half: saved(half.getchannel("A").convert("1"), "PNG", transparency=0),
}
"""Files of a picture, one half of which is not there."""


@pytest.mark.parametrize("mode", SEEN_THROUGH)
@pytest.mark.parametrize("size", [(60, 40), (1500, 1000)])
async def test_what_can_be_seen_through_stays_so(darkroom: PillowDarkroom, mode: str, size: tuple[int, int]) -> None:
    half = Image.new("RGBA", size, (*GREEN, 255))
    half.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1]))
    shown = await developed(darkroom, SEEN_THROUGH[mode](half), "PNG")
    alpha = shown.getchannel("A")
    assert [alpha.getpixel((at * shown.width // 4, shown.height // 2)) for at in (1, 3)] == [0, 255]


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
async def test_of_what_moves_the_first_picture_is_shown(darkroom: PillowDarkroom, form: str) -> None:
    others = [Image.new("RGB", (60, 40), colour) for colour in (RED, GREEN)]
    moving = saved(quarters(), form, save_all=True, append_images=others, duration=50)
    assert are_quarters(await developed(darkroom, moving, form))


async def test_pictures_with_others_behind_them_are_jpeg(darkroom: PillowDarkroom) -> None:
    """What phones make that keep a second view, or a film of the moment."""
    several = saved(quarters(), "MPO", save_all=True, append_images=[Image.new("RGB", (60, 40), RED)], quality=95)
    assert are_quarters(await developed(darkroom, several, "JPEG"))
    assert are_quarters(await developed(darkroom, saved(quarters(), "JPEG", quality=95) + b"a film" * 1000, "JPEG"))


@pytest.mark.parametrize("form", TYPES)
async def test_colours_are_what_their_profile_says(darkroom: PillowDarkroom, form: str) -> None:
    # A profile in which red is what is blue elsewhere.
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    turned = re.sub(b"[rb]XYZ", lambda tag: b"bXYZ" if tag[0] == b"rXYZ" else b"rXYZ", profile)
    red = Image.new("RGB", (60, 40), (255, 0, 0))
    picture = await developed(darkroom, saved(red, form, icc_profile=turned), form)
    assert all(near(pixel, (0, 0, 255)) for pixel in corners(picture))
    for nonsense in (b"no profile", profile[:100]):
        picture = await developed(darkroom, saved(red, form, icc_profile=nonsense), form)
        assert all(near(pixel, (255, 0, 0)) for pixel in corners(picture))


@pytest.mark.parametrize("size", [(1, 1), (1, 9000), (16_000, 3), (1200, 2500), (1025, 1023)])
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
async def test_narrow_pictures_keep_their_shape(darkroom: PillowDarkroom, form: str, size: tuple[int, int]) -> None:
    picture = await developed(darkroom, saved(Image.new("RGB", size, RED), form), form)
    scale = min(1.0, SIZES[-1] / max(size))
    assert max(picture.size) == min(max(size), SIZES[-1])
    assert abs(min(picture.size) - max(1, min(size) * scale)) <= 1
    assert near(picture.convert("RGB").getpixel((0, 0)), RED)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", TYPES)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.9])
async def test_what_is_cut_off_is_refused(darkroom: PillowDarkroom, form: str, part: float) -> None:
    whole = saved(Image.effect_noise((300, 200), 80).convert("RGB"), form)
    with pytest.raises(AvatarInvalid):
        await darkroom.develop(whole[: int(len(whole) * part)], TYPES[form])


@pytest.mark.parametrize("form", ["GIF", "TIFF", "BMP", "PNG", "WEBP", "JPEG"])
async def test_only_the_type_that_was_said_is_read(darkroom: PillowDarkroom, form: str) -> None:
    for said in TYPES.keys() - {form}:
        with pytest.raises(AvatarInvalid):
            await darkroom.develop(saved(quarters(), form), TYPES[said])


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@pytest.mark.parametrize(
    "bomb",
    [
        chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(30_000_000))),
        chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(30_000_000))),
        chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(30_000_000))),
        chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000))) * 100,
    ],
    ids=["profile", "text", "international text", "many texts"],
)
async def test_what_grows_when_it_is_unpacked_is_refused(darkroom: PillowDarkroom, bomb: bytes) -> None:
    png = saved(quarters(), "PNG")
    behind_head = 33
    with pytest.raises(AvatarInvalid):
        await darkroom.develop(png[:behind_head] + bomb + png[behind_head:], "image/png")


async def test_what_has_too_many_pixels_is_not_decoded(darkroom: PillowDarkroom) -> None:
    for size in ((4001, 4000), (6400, 6300), (9000, 9000)):  # by us, by us, by Pillow
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(AvatarInvalid):
                await darkroom.develop(saved(Image.new("1", size), "PNG", compress_level=1), "image/png")
    largest = saved(Image.new("1", (4000, 4000)), "PNG", compress_level=1)
    assert (await developed(darkroom, largest, "PNG")).size == (1024, 1024)


async def test_what_takes_too_long_is_given_up() -> None:
    jpeg = saved(Image.new("L", (700, 700), 9), "JPEG", progressive=True)
    *_, first, last = (at for at in range(len(jpeg)) if jpeg.startswith(b"\xff\xda", at))
    again = jpeg[first:last] if last - first < len(jpeg) - last else jpeg[last:-2]
    # Goes over the whole picture for each dozen of bytes: more than a minute.
    scans = jpeg[:-2] + again * (5_000_000 // len(again)) + jpeg[-2:]
    darkroom = PillowDarkroom(decode_s=0.2)
    with pytest.raises(AvatarInvalid):
        await darkroom.develop(scans, "image/jpeg")
    await darkroom.stop()


async def test_who_goes_away_does_not_take_the_turn_of_what_is_still_decoded(darkroom: PillowDarkroom) -> None:
    begun, go = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go.wait(60)

    gone = asyncio.create_task(darkroom._run(work))
    await until(begun.is_set)
    waiting = [
        asyncio.create_task(darkroom.develop(saved(quarters(), "PNG"), "image/png")) for _ in range(MOST_WAITING)
    ]
    await until(lambda: darkroom._waiting == MOST_WAITING)
    with pytest.raises(Overloaded):
        await darkroom.develop(b"", "image/png")
    gone.cancel()
    waiting[0].cancel()
    await asyncio.wait([gone, waiting[0]])
    assert darkroom._turns.locked()
    assert not any(task.done() for task in waiting[1:])
    go.set()
    assert len(await asyncio.gather(*waiting[1:])) == MOST_WAITING - 1
    await until(lambda: not darkroom._turns.locked())
