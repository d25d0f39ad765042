"""Pictures of users: on the local disk through its HTTP door, and in a bucket of a real S3 server on this machine."""

import asyncio
import io
import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer
from PIL import Image

from firewalker.kernel.ids import UserId, new_uuid7
from firewalker.local.ports import free
from firewalker.runtime.personal_data import Erasure
from firewalker.runtime.personal_data.erasure import LAST_PASS
from firewalker.user.domain.avatar import FORGET_TIME, MAX_BYTES, MOST_PLACES, Avatar, AvatarId
from firewalker.user.domain.avatar_faults import PicturesUnavailable
from firewalker.user.picture_bucket import PictureBucket
from firewalker.user.picture_folder import PictureFolder
from tests.bench.pictures import measure
from tests.service.user.conftest import PASSWORD, World, open_world
from tests.service.user.test_deletions import becomes, export
from tests.support.clock import NOON, FakeClock
from tests.support.waiting import until


def picture(form: str = "JPEG", size: tuple[int, int] = (1500, 900), **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(out, form, **options)
    return out.getvalue()


@pytest.fixture
async def gallery(tmp_path: Path, mysql_url: str, redis_url: str) -> AsyncIterator[World]:
    port = free()["FIREWALKER_USER_MEDIA_PORT"]
    settings = {
        "avatar_folder": tmp_path / "pictures",
        "media_port": port,
        "avatar_url": f"http://127.0.0.1:{port}/avatars",
    }
    async with open_world(tmp_path, mysql_url, redis_url, **settings) as world:
        yield world


async def upload(world: World, access: str, content: bytes, content_type: str = "image/jpeg") -> Any:
    promised = await world.call("CreateAvatarUpload", access, content_type=content_type, size_bytes=len(content))
    async with httpx.AsyncClient() as http:
        answer = await http.put(promised.upload_url, content=content, headers=dict(promised.headers))
    assert answer.status_code == 200, answer.text
    return promised


async def get(url: str) -> httpx.Response:
    async with httpx.AsyncClient() as http:
        return await http.get(url)


async def test_a_folder_that_cannot_be_used_is_a_storage_that_is_away(tmp_path: Path) -> None:
    (tmp_path / "uploads").write_text("no folder")
    (tmp_path / "shown").write_text("no folder")
    folder, avatar = (
        PictureFolder(tmp_path, "http://x", bytes(32), FakeClock()),
        Avatar(AvatarId(uuid4()), UserId(new_uuid7()), "image/jpeg", 1, NOON),
    )
    for call in (
        folder.uploaded(avatar),
        folder.forget_upload(avatar.avatar_id),
        folder.show("a/256.webp", b"x"),
        folder.hide("a/256.webp"),
    ):
        with pytest.raises(PicturesUnavailable):
            await call


async def test_a_picture_is_shown_in_two_sizes_without_what_the_camera_noted(gallery: World) -> None:
    person = await gallery.sign_up()
    exif = Image.Exif()
    exif[0x010F] = "Secret Camera"
    exif[0x0112] = 6  # lies on its side
    promised = await upload(gallery, person.access, picture(exif=exif, comment=b"Secret words"))
    for _ in range(2):
        user = (await gallery.call("CommitAvatar", person.access, upload_id=promised.upload_id)).user
    large, small = await get(user.avatar_url), await get(user.avatar_url.replace("1024", "256"))
    for answer, side in ((large, 1024), (small, 256)):
        assert answer.headers["content-type"] == "image/webp"
        assert b"Secret" not in answer.content
        shown = Image.open(io.BytesIO(answer.content))
        assert (shown.height, shown.width < shown.height) == (side, True)
        assert not shown.getexif()
    assert (await gallery.call("GetMe", person.access)).user.avatar_url == user.avatar_url
    await until(lambda: gallery.step.of("profile_changed"))
    assert gallery.step.of("profile_changed")[-1].profile.avatar_url == user.avatar_url


@pytest.mark.requirement("PRIV-10")
async def test_links_of_pictures_that_were_replaced_or_removed_lead_nowhere(gallery: World) -> None:
    person = await gallery.sign_up()
    urls = []
    for _ in range(2):
        promised = await upload(gallery, person.access, picture("PNG"), "image/png")
        urls.append((await gallery.call("CommitAvatar", person.access, upload_id=promised.upload_id)).user.avatar_url)
    assert [(await get(url)).status_code for url in urls] == [404, 200]
    await gallery.call("DeleteAvatar", person.access)
    await gallery.call("DeleteAvatar", person.access)
    assert (await get(urls[1])).status_code == 404
    assert (await gallery.call("GetMe", person.access)).user.avatar_url == ""
    assert "avatar" not in {record.kind for record in await export(gallery, person)}


@pytest.mark.requirement("PRIV-10", "AUTH-50")
async def test_pictures_go_with_their_account(gallery: World, tmp_path: Path) -> None:
    person = await gallery.sign_up()
    promised = await upload(gallery, person.access, picture("WEBP"), "image/webp")
    await gallery.call("CommitAvatar", person.access, upload_id=promised.upload_id)
    await gallery.call("DeleteMe", person.access, password=PASSWORD)
    await until(lambda: not [path for path in (tmp_path / "pictures").rglob("*") if path.is_file()])
    # What was on its way at that moment is looked for once more at the very end.
    gallery.clock.advance(LAST_PASS)
    (erasure,) = [part for part in gallery.service.app.parts if isinstance(part, Erasure)]
    await erasure.round()
    await becomes(gallery, "SELECT COUNT(*) FROM avatar", [(0,)])


@pytest.mark.requirement("PRIV-10")
async def test_nothing_can_be_put_any_more_where_a_place_was_given_up(gallery: World, tmp_path: Path) -> None:
    person, content = await gallery.sign_up(), picture()
    promised = []
    for _ in range(MOST_PLACES + 2):
        promised.append(await upload(gallery, person.access, content))
        gallery.clock.advance(1)
    await gallery.call("CommitAvatar", person.access, upload_id=promised[-1].upload_id)
    kept = [path.name for path in (tmp_path / "pictures" / "uploads").iterdir()]
    assert sorted(kept) == sorted(UUID(one.upload_id).hex for one in promised[2:-1])
    crowded = await gallery.refusal("CommitAvatar", person.access, upload_id=promised[0].upload_id)
    assert (crowded.status, crowded.reason) == ("NOT_FOUND", "UPLOAD_NOT_FOUND")
    await gallery.call("DeleteAvatar", person.access)
    async with httpx.AsyncClient() as http:
        for each in promised:
            answer = await http.put(each.upload_url, content=content, headers=dict(each.headers))
            assert answer.status_code == 404
    assert not list((tmp_path / "pictures" / "uploads").iterdir())


async def test_uploads_that_nobody_can_take_any_more_are_swept(tmp_path: Path) -> None:
    clock = FakeClock(datetime.now(UTC))
    folder = PictureFolder(tmp_path, "http://x", bytes(32), clock)
    assert await folder.sweep() == 0  # nothing is there, not even the folder
    for _ in range(2):
        await folder.place(Avatar(AvatarId(uuid4()), UserId(new_uuid7()), "image/jpeg", 1, clock.now()))
    old, _ = sorted((tmp_path / "uploads").iterdir())
    (tmp_path / "uploads" / "0.part").write_bytes(b"half of")
    await folder.show("a/256.webp", b"webp")
    long_ago = (clock.now() - FORGET_TIME - timedelta(seconds=1)).timestamp()
    for path in (old, tmp_path / "uploads" / "0.part", tmp_path / "shown" / "a" / "256.webp"):
        os.utime(path, (long_ago, long_ago))
    await folder.sweep()
    assert len(list((tmp_path / "uploads").iterdir())) == 1
    assert (tmp_path / "shown" / "a" / "256.webp").read_bytes() == b"webp"


async def test_only_what_was_promised_can_be_put(gallery: World) -> None:
    person, content = await gallery.sign_up(), picture()
    promised = await gallery.call(
        "CreateAvatarUpload", person.access, content_type="image/jpeg", size_bytes=len(content)
    )
    url, jpeg = promised.upload_url, {"content-type": "image/jpeg"}
    async with httpx.AsyncClient() as http:
        for where, body, headers, status in [
            (url, content, {"content-type": "text/html"}, 403),
            (url, content + b"x", jpeg, 413),
            (url, content[:-1], jpeg, 400),
            (url.replace(f"size={len(content)}", "size=5000000"), content, jpeg, 403),
            (url.replace("until=", "until=9"), content, jpeg, 403),
            (url.replace("/uploads/", "/uploads/../"), content, jpeg, 405),
            (url.partition("?")[0], content, jpeg, 404),
        ]:
            assert (await http.put(where, content=body, headers=headers)).status_code == status
        gallery.clock.advance(timedelta(minutes=10))
        assert (await http.put(url, content=content, headers=jpeg)).status_code == 403
        base = url.partition("/uploads/")[0]
        for path in ("/x", "/../../secrets/jwks.json", "/%2e%2e/uploads/x"):
            assert (await http.get(base + path)).status_code == 404


async def test_uploads_of_others_and_unfit_ones_are_refused(gallery: World) -> None:
    ann, bob = await gallery.sign_up(), await gallery.sign_up()
    for content_type, size, reason in [
        ("image/gif", 10, "AVATAR_TYPE_UNSUPPORTED"),
        ("image/png", MAX_BYTES + 1, "AVATAR_TOO_LARGE"),
        ("image/png", -1, "AVATAR_TOO_LARGE"),
    ]:
        refusal = await gallery.refusal("CreateAvatarUpload", ann.access, content_type=content_type, size_bytes=size)
        assert refusal.reason == reason
    promised = await upload(gallery, ann.access, picture())
    missing = await gallery.refusal("CommitAvatar", bob.access, upload_id=promised.upload_id)
    assert (missing.status, missing.reason) == ("NOT_FOUND", "UPLOAD_NOT_FOUND")
    assert missing == await gallery.refusal("CommitAvatar", bob.access, upload_id=str(uuid4()))
    empty = await gallery.call("CreateAvatarUpload", ann.access, content_type="image/png", size_bytes=10)
    assert (await gallery.refusal("CommitAvatar", ann.access, upload_id=empty.upload_id)).reason == "UPLOAD_NOT_FOUND"
    assert (await gallery.refusal("CommitAvatar", ann.access, upload_id="x")).fields == ["upload_id"]
    lie = await upload(gallery, ann.access, b"<html>no picture</html>")
    assert (await gallery.refusal("CommitAvatar", ann.access, upload_id=lie.upload_id)).reason == "AVATAR_INVALID"


async def test_where_no_storage_is_set_up_nobody_has_a_picture(world: World) -> None:
    person = await world.sign_up()
    refusal = await world.refusal("CreateAvatarUpload", person.access, content_type="image/png", size_bytes=10)
    assert (refusal.status, refusal.reason) == ("UNAVAILABLE", "PICTURES_UNAVAILABLE")


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


async def test_a_bucket_takes_uploads_by_a_presigned_link_and_shows_pictures(
    s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    client = boto3.client("s3", endpoint_url=s3, region_name="us-east-1")
    await asyncio.to_thread(client.create_bucket, Bucket="pictures")
    bucket = PictureBucket("pictures", "https://cdn.example.org/avatars", endpoint=s3, region="us-east-1")
    content = picture()
    avatar = Avatar(AvatarId(uuid4()), UserId(new_uuid7()), "image/jpeg", len(content), NOON)
    assert await bucket.uploaded(avatar) is None  # S3 says 404 then, to who may list the bucket
    place = await bucket.place(avatar)
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in place.url
    assert "content-length%3Bcontent-type" in place.url
    async with httpx.AsyncClient() as http:
        assert (await http.put(place.url, content=content, headers=dict(place.headers))).status_code == 200
    assert await bucket.uploaded(avatar) == content
    await bucket.show("x/256.webp", b"webp")
    shown = await asyncio.to_thread(client.get_object, Bucket="pictures", Key="avatars/x/256.webp")
    assert (shown["Body"].read(), shown["ContentType"]) == (b"webp", "image/webp")
    assert bucket.url_of("x/256.webp") == "https://cdn.example.org/avatars/x/256.webp"
    for _ in range(2):
        await bucket.hide("x/256.webp")
        await bucket.forget_upload(avatar.avatar_id)
    assert await bucket.uploaded(avatar) is None
    await asyncio.to_thread(client.close)
    nowhere = PictureBucket("nowhere", "https://x.y", endpoint=s3, region="us-east-1")
    for call in (nowhere.show("x", b"x"), nowhere.uploaded(avatar)):  # no bucket is another thing than no upload
        with pytest.raises(PicturesUnavailable):
            await call


@pytest.mark.alone
@pytest.mark.parametrize("name", ["PNG with alpha", "WebP with alpha"])
def test_two_of_the_worst_pictures_at_once_take_what_one_does(name: str) -> None:
    figures = measure(name)
    assert isinstance(figures["mib"], int)
    assert 100 < figures["mib"] < 400
