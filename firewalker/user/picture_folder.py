"""Pictures on the local disk, with a small HTTP door: for one machine. `picture_bucket` is for more."""

import asyncio
import contextlib
import hashlib
import hmac
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from firewalker.kernel.clock import Clock
from firewalker.runtime.tasks import begin, end
from firewalker.user.domain.avatar import FORGET_TIME, MAX_BYTES, Avatar, AvatarId
from firewalker.user.domain.avatar_faults import PicturesUnavailable
from firewalker.user.usecases.ports import Place

R = TypeVar("R")

STOP_S = 3.0

_ID = r"[0-9a-f]{32}"
_NAME = re.compile(rf"({_ID})/(\d{{1,4}})\.webp")


class PictureFolder:
    """Keeps pictures below a folder: ``shown/``, which everybody may get, and ``uploads/``.

    A place for an upload is an empty file there. Without it nothing can be put, however good the link still is.
    """

    def __init__(self, folder: Path, url: str, key: bytes, clock: Clock) -> None:
        """*url* is what links begin with; *key* signs the links for putting."""
        self._folder = folder
        self._url = url
        self._key = key
        self._clock = clock

    async def place(self, avatar: Avatar) -> Place:
        """A link for putting the upload."""
        await _ask(lambda: self._write(self._upload(avatar.avatar_id.hex), b""))
        until = int(avatar.expire_time.timestamp())
        signature = self._signature(avatar.avatar_id.hex, avatar.content_type, avatar.size_bytes, until)
        query = f"size={avatar.size_bytes}&until={until}&signature={signature}"
        return Place(f"{self._url}/uploads/{avatar.avatar_id.hex}?{query}", {"content-type": avatar.content_type})

    async def uploaded(self, avatar: Avatar) -> bytes | None:
        """What was put there, if it is of the size that was promised."""
        content = await _ask(lambda: _content(self._upload(avatar.avatar_id.hex)))
        return content if content is not None and len(content) == avatar.size_bytes else None

    async def forget_upload(self, avatar_id: AvatarId) -> None:
        """Remove what was put there, if anything was, and the place for it."""
        await _ask(lambda: self._upload(avatar_id.hex).unlink(missing_ok=True))

    async def show(self, name: str, content: bytes) -> None:
        """Let everybody who knows its link see a picture, WebP."""
        await _ask(lambda: self._write(self._folder / "shown" / name, content))

    async def hide(self, name: str) -> None:
        """Remove a picture, if it is there."""
        await _ask(lambda: self._hide(self._folder / "shown" / name))

    def url_of(self, name: str) -> str:
        """The link of a picture that is shown."""
        return f"{self._url}/{name}"

    async def sweep(self) -> int:
        """Remove uploads too old to be taken: those that a process left that died, and those put after they were taken.

        Tells 0, for a chore has nothing more to do then.
        """
        before = (self._clock.now() - FORGET_TIME).timestamp()

        def sweep() -> None:
            for path in (self._folder / "uploads").glob("*"):
                with contextlib.suppress(FileNotFoundError):  # its place just went
                    if path.stat().st_mtime < before:
                        path.unlink()

        await _ask(sweep)
        return 0

    # --- over HTTP ----------------------------------------------------------------------------------------------------

    def app(self) -> Starlette:
        """The door: putting what was promised, and getting what is shown."""
        return Starlette(
            routes=[
                Route("/avatars/uploads/{avatar_id}", self._put, methods=["PUT"]),
                Route("/avatars/{name:path}", self._get, methods=["GET"]),
            ]
        )

    async def _put(self, request: Request) -> Response:
        avatar_id = request.path_params["avatar_id"]
        size, until = request.query_params.get("size", ""), request.query_params.get("until", "")
        kind = request.headers.get("content-type", "")
        if (
            not re.fullmatch(_ID, avatar_id)
            or not re.fullmatch(r"\d{1,7}", size)
            or not re.fullmatch(r"\d{1,11}", until)
        ):
            return Response(status_code=404)
        expected = self._signature(avatar_id, kind, int(size), int(until))
        given = request.query_params.get("signature", "")
        if not hmac.compare_digest(expected.encode(), given.encode()) or self._clock.now().timestamp() >= int(until):
            return Response(status_code=403)
        content = bytearray()
        try:
            async for chunk in request.stream():
                content += chunk
                if len(content) > min(int(size), MAX_BYTES):
                    return Response(status_code=413)
        except ClientDisconnect:
            return Response(status_code=400)
        if len(content) != int(size):
            return Response(status_code=400)
        try:
            there = await _ask(lambda: self._put_there(self._upload(avatar_id), content))
            status = 200 if there else 404
        except PicturesUnavailable:
            status = 503
        return Response(status_code=status)

    async def _get(self, request: Request) -> Response:
        name = request.path_params["name"]
        path = self._folder / "shown" / name
        if not _NAME.fullmatch(name) or not await asyncio.to_thread(path.is_file):
            return Response(status_code=404)
        # Another picture has another link. Nothing in it is ever run.
        headers = {
            "cache-control": "public, max-age=3600",
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'",
        }
        return FileResponse(path, media_type="image/webp", headers=headers)

    def _signature(self, avatar_id: str, content_type: str, size: int, until: int) -> str:
        text = f"put {avatar_id} {content_type} {size} {until}"
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

    def _upload(self, avatar_id: str) -> Path:
        return self._folder / "uploads" / avatar_id

    def _put_there(self, path: Path, content: bytes | bytearray) -> bool:
        """Put *content* in its place, if there is one."""
        if not path.is_file():
            return False
        self._write(path, content)
        return True

    def _write(self, path: Path, content: bytes | bytearray) -> None:
        """All of it or nothing; what a process that died was writing is swept with the uploads."""
        part = self._folder / "uploads" / f"{uuid4().hex}.part"
        for folder in (part.parent, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            part.write_bytes(content)
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)

    @staticmethod
    def _hide(path: Path) -> None:
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # the other size is still there, or nothing ever was
            path.parent.rmdir()


async def _ask(call: Callable[[], R]) -> R:
    """Run *call*, which waits for the disk, on a thread."""
    try:
        return await asyncio.to_thread(call)
    except OSError as error:
        raise PicturesUnavailable from error


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the process's."""
        yield


class PictureDoor:
    """Serves a `PictureFolder` on a port of its own. A part of the user service."""

    def __init__(self, folder: PictureFolder, host: str, port: int, *, share_port: bool = False) -> None:
        config = uvicorn.Config(folder.app(), lifespan="off", log_config=None, access_log=False, timeout_keep_alive=5)
        self._server = _Server(config)
        self._where = (host, port)
        self._share_port = share_port
        self._task: asyncio.Task[None] | None = None
        self.port = port
        """The port, once it is open."""

    async def start(self) -> None:
        """Open the port."""
        listener = socket.socket(socket.AF_INET6 if ":" in self._where[0] else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self._share_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(self._where)
        self.port = listener.getsockname()[1]
        self._task = begin(self._server.serve(sockets=[listener]), "pictures")

    async def stop(self) -> None:
        """Close it; transfers under way have a moment."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.wait([self._task], timeout=STOP_S)
        await end([self._task])
