"""Pictures that are taken, replaced and removed at the same moment, and by processes that die in between: none stays public."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from firewalker.kernel.ids import UserId
from firewalker.runtime.outbox import Outbox
from firewalker.user.domain.avatar import COMMIT_TIME, FORGET_TIME, MOST_PLACES, SIZES, Avatar, AvatarId, State
from firewalker.user.domain.avatar_faults import PicturesUnavailable, UploadNotFound
from firewalker.user.domain.faults import UserNotFound
from firewalker.user.events import OutboxFacts
from firewalker.user.picture_folder import PictureFolder
from firewalker.user.store.avatars import Avatars as AvatarStore
from firewalker.user.store.users import Users
from firewalker.user.usecases.avatars import Avatars
from tests.service.user.rooms import Rooms, open_rooms
from tests.support.databases import run_on

pytestmark = pytest.mark.requirement("PRIV-10")


class Gate:
    """Holds who comes by, where it is shut, until it is opened."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()

    def shut(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    async def passing(self) -> None:
        self.reached.set()
        await self._open.wait()


class Darkroom:
    """Takes everything for a picture, behind a gate."""

    def __init__(self) -> None:
        self.gate = Gate()

    async def develop(self, content: bytes, content_type: str) -> Sequence[bytes]:
        del content_type
        await self.gate.passing()
        return [content] * len(SIZES)


class Folder(PictureFolder):
    """A folder with gates before what is done first and last, and that can be away."""

    reading: Gate
    gate: Gate
    away = False

    async def uploaded(self, avatar: Avatar) -> bytes | None:
        await self.reading.passing()
        return await super().uploaded(avatar)

    async def forget_upload(self, avatar_id: AvatarId) -> None:
        await self.gate.passing()
        await super().forget_upload(avatar_id)

    async def hide(self, name: str) -> None:
        if self.away:
            raise PicturesUnavailable
        await super().hide(name)


@dataclass
class Studio:
    rooms: Rooms
    avatars: Avatars
    darkroom: Darkroom
    folder: Folder
    path: Path
    url: str
    user: UserId

    async def put(self) -> AvatarId:
        """A picture that can be committed."""
        avatar, _ = await self.avatars.promise(self.user, "image/png", 4)
        (self.path / "uploads" / avatar.avatar_id.hex).write_bytes(b"webp")
        return avatar.avatar_id

    def shown(self) -> set[str]:
        """The pictures that everybody can get."""
        return {path.parent.name for path in (self.path / "shown").rglob("*.webp")}

    async def named(self) -> str:
        """The one that the profile names."""
        [(url,)] = await run_on(self.url, "SELECT avatar_url FROM user")
        return str(url).rpartition("/")[0].rpartition("/")[2]

    async def states(self) -> list[State]:
        return sorted(
            (State(code) for (code,) in await run_on(self.url, "SELECT shown FROM avatar")), key=lambda s: s.value
        )

    async def forget(self) -> None:
        """What the chores do hours later."""
        self.rooms.clock.advance(FORGET_TIME)
        self.rooms.clock.advance(1)
        await self.avatars.forget()


@pytest.fixture
async def studio(tmp_path: Path, mysql_url: str, redis_url: str) -> AsyncIterator[Studio]:
    async with open_rooms(mysql_url, redis_url) as rooms:
        folder, darkroom = Folder(tmp_path, "http://x/avatars", bytes(32), rooms.clock), Darkroom()
        folder.reading, folder.gate = Gate(), Gate()
        avatars = Avatars(
            database=rooms.database,
            users=Users(),
            avatars=AvatarStore(),
            pictures=folder,
            darkroom=darkroom,
            facts=OutboxFacts(Outbox("step", "notification")),
            clock=rooms.clock,
        )
        [user] = await rooms.newcomers(1)
        yield Studio(rooms, avatars, darkroom, folder, tmp_path, mysql_url, user)


async def held(gate: Gate, call: Coroutine[None, None, object]) -> "asyncio.Task[object]":
    """A call that has come to *gate* and waits there."""
    gate.shut()
    gate.reached.clear()
    task = asyncio.create_task(call)
    async with asyncio.timeout(60):
        await gate.reached.wait()
    return task


async def test_a_picture_removed_while_it_is_taken_is_not_shown(studio: Studio) -> None:
    gate = studio.darkroom.gate
    taking = await held(gate, studio.avatars.commit(studio.user, await studio.put()))
    await studio.avatars.delete(studio.user)
    gate.open()
    with pytest.raises(UploadNotFound):
        await taking
    assert (studio.shown(), await studio.named()) == (set(), "")
    await studio.forget()
    assert await studio.states() == []


async def test_a_picture_of_who_is_deleted_while_it_is_taken_is_not_shown(studio: Studio) -> None:
    gate = studio.darkroom.gate
    taking = await held(gate, studio.avatars.commit(studio.user, await studio.put()))
    async with studio.rooms.database.transaction() as tx:
        await Users().delete(tx, studio.user)
    await studio.avatars.erase(studio.user)
    gate.open()
    with pytest.raises(UserNotFound):
        await taking
    assert studio.shown() == set()


async def test_of_two_pictures_taken_at_once_one_is_shown_and_one_is_gone(studio: Studio) -> None:
    first, second = await studio.put(), await studio.put()
    gate = studio.folder.gate
    taking = await held(
        gate, studio.avatars.commit(studio.user, first)
    )  # and shown already: only what is left of others is to be removed
    other = asyncio.create_task(studio.avatars.commit(studio.user, second))
    async with asyncio.timeout(60):
        while await studio.named() != second.hex:  # noqa: ASYNC110 - MySQL tells no event
            await asyncio.sleep(0.01)
    gate.open()
    await asyncio.gather(taking, other)
    assert (studio.shown(), await studio.named()) == ({second.hex}, second.hex)
    assert await studio.states() == [State.SHOWN, State.REMOVED]
    await studio.forget()
    assert (studio.shown(), await studio.states()) == ({second.hex}, [State.SHOWN])


async def test_pictures_taken_at_once_in_any_order_leave_the_one_that_is_named(studio: Studio) -> None:
    for _ in range(3):
        uploads = [await studio.put() for _ in range(MOST_PLACES)]
        await asyncio.gather(*(studio.avatars.commit(studio.user, each) for each in uploads))
        assert studio.shown() == {await studio.named()}
    uploads = [await studio.put() for _ in range(2)]
    commits = [studio.avatars.commit(studio.user, each) for each in uploads]
    await asyncio.gather(*commits, studio.avatars.delete(studio.user), return_exceptions=True)
    assert studio.shown() == ({await studio.named()} - {""})


async def test_the_same_upload_taken_twice_at_once_is_taken(studio: Studio) -> None:
    avatar, gate = await studio.put(), studio.folder.reading
    late = await held(gate, studio.avatars.commit(studio.user, avatar))
    studio.folder.reading = Gate()
    await studio.avatars.commit(studio.user, avatar)  # after which there is no upload any more
    gate.open()
    await late
    assert (studio.shown(), await studio.named()) == ({avatar.hex}, avatar.hex)


async def test_what_could_not_be_hidden_is_hidden_by_the_next_call(studio: Studio) -> None:
    await studio.avatars.commit(studio.user, await studio.put())
    second = await studio.put()
    studio.folder.away = True
    for call in (lambda: studio.avatars.commit(studio.user, second), lambda: studio.avatars.delete(studio.user)):
        with pytest.raises(PicturesUnavailable):
            await call()
    assert (len(studio.shown()), await studio.named()) == (2, "")
    studio.folder.away = False
    await studio.avatars.delete(studio.user)
    assert studio.shown() == set()


@pytest.mark.parametrize("died", ["before it was told", "before it was hidden"])
async def test_what_a_process_that_died_has_left_is_hidden_later(studio: Studio, died: str) -> None:
    avatar = await studio.put()
    if died == "before it was told":
        for size in SIZES:
            await studio.folder.show(f"{avatar.hex}/{size}.webp", b"webp")
    else:
        await studio.avatars.commit(studio.user, avatar)
        dying = await held(studio.folder.gate, studio.avatars.delete(studio.user))
        dying.cancel()
        await asyncio.wait([dying])
        studio.folder.gate.open()
    assert (studio.shown(), await studio.named()) == ({avatar.hex}, "")
    await studio.forget()
    assert (studio.shown(), await studio.states()) == (set(), [])


async def test_only_so_many_places_are_open_and_the_oldest_goes(studio: Studio) -> None:
    uploads = []
    for _ in range(MOST_PLACES + 2):
        uploads.append(await studio.put())
        studio.rooms.clock.advance(1)
    assert await studio.states() == [State.PROMISED] * MOST_PLACES + [State.REMOVED] * 2
    for gone in uploads[:2]:
        with pytest.raises(UploadNotFound):
            await studio.avatars.commit(studio.user, gone)
    await studio.avatars.commit(studio.user, uploads[2])
    at_once = [studio.avatars.promise(studio.user, "image/png", 4) for _ in range(4)]
    await asyncio.gather(*at_once)
    assert (await studio.states()).count(State.PROMISED) == MOST_PLACES


async def test_a_picture_that_took_too_long_is_not_shown(studio: Studio) -> None:
    gate = studio.darkroom.gate
    taking = await held(gate, studio.avatars.commit(studio.user, await studio.put()))
    studio.rooms.clock.advance(COMMIT_TIME)
    gate.open()
    with pytest.raises(UploadNotFound):
        await taking
    assert (studio.shown(), await studio.named()) == (set(), "")


async def test_pictures_that_other_versions_left_shown_go_with_the_next_call(studio: Studio) -> None:
    avatar = await studio.put()
    await studio.avatars.commit(studio.user, avatar)
    await run_on(studio.url, "UPDATE user SET avatar_url = ''")
    await studio.avatars.delete(studio.user)
    assert (studio.shown(), await studio.states()) == (set(), [State.REMOVED])
