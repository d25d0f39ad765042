"""A proxy between a client and its server that fails in chosen ways: the network of the fault tests.

It relays bytes between unix or TCP sockets. What it does can change at any time and holds for open connections too.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_CHUNK = 65_536


@dataclass
class Behaviour:
    """What happens to the bytes. Defaults: everything passes."""

    black_hole: bool = False
    """Take connections and bytes, pass nothing on, in either direction."""
    refuse: bool = False
    """End new connections at once."""
    delay_s: float = 0.0
    """Hold back each chunk of the server's answers this long."""
    cut_upstream_after: int | None = None
    """Cut a connection after so many more bytes of the client were passed on (the last chunk is cut to fit)."""
    cut_downstream_after: int | None = None
    """Cut a connection after so many more bytes of the server were passed on."""
    cut_before: Callable[[bytes], bool] | None = None
    """Cut a connection when a chunk of the client for which this is true arrives, before passing it on."""
    cut_instead_of_answer_to: Callable[[bytes], bool] | None = None
    """Pass on a chunk of the client for which this is true, and cut when the server answers it."""


@dataclass
class FaultProxy:
    """Listens on *listen* and connects to *upstream*: paths of unix sockets, or (host, port)."""

    upstream: str | tuple[str, int]
    listen: str | tuple[str, int] = ("127.0.0.1", 0)
    behaviour: Behaviour = field(default_factory=Behaviour)
    source: str | None = None
    """The address to connect from, over TCP."""
    connections: int = 0
    """How many were ever taken."""
    replaced: Mapping[bytes, bytes] = field(default_factory=dict)
    """What the server's answers say instead of what they said, of the same length: whoever tells addresses has to tell others."""

    def __post_init__(self) -> None:
        self._writers: set[asyncio.StreamWriter] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._change = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        if isinstance(self.listen, str):
            self._server = await asyncio.start_unix_server(self._serve, self.listen)
        else:
            self._server = await asyncio.start_server(self._serve, *self.listen)

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def set(self, **changes: object) -> None:
        """Replace the behaviour: what is not named is as by default."""
        self.become(Behaviour(**changes))  # type: ignore[arg-type]

    def become(self, behaviour: Behaviour) -> None:
        """The same, with one that several may share."""
        self.behaviour = behaviour
        self._change.set()
        self._change = asyncio.Event()

    def cut_all(self) -> None:
        """Break every open connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    def take_leave(self, saying: bytes) -> None:
        """Tell every client what nobody asked, and hang up, as servers do that end."""
        for writer in list(self._clients):
            writer.write(saying)
            writer.close()

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        self._writers.add(writer)
        self._clients.add(writer)
        upstream: asyncio.StreamWriter | None = None
        with contextlib.suppress(OSError, asyncio.CancelledError):
            if not self.behaviour.refuse:
                while self.behaviour.black_hole:
                    await self._change.wait()
                answers, upstream = await self._connect()
                self._writers.add(upstream)
                marked = asyncio.Event()
                one = asyncio.create_task(self._up(reader, upstream, marked))
                two = asyncio.create_task(self._down(answers, writer, marked))
                try:
                    await asyncio.wait({one, two}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    one.cancel()
                    two.cancel()
                    await asyncio.gather(one, two, return_exceptions=True)
        self._clients.discard(writer)
        for end in (writer, upstream):
            if end is not None:
                self._writers.discard(end)
                end.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.upstream, str):
            return await asyncio.open_unix_connection(self.upstream)
        return await asyncio.open_connection(
            *self.upstream, local_addr=None if self.source is None else (self.source, 0)
        )

    async def _up(self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter, marked: asyncio.Event) -> None:
        while chunk := await self._read(reader):
            now = self.behaviour
            if now.cut_before is not None and now.cut_before(chunk):
                return
            if now.cut_instead_of_answer_to is not None and now.cut_instead_of_answer_to(chunk):
                marked.set()
            if now.cut_upstream_after is not None:
                chunk = chunk[: now.cut_upstream_after]
                now.cut_upstream_after -= len(chunk)
            upstream.write(chunk)
            await upstream.drain()
            if now.cut_upstream_after == 0:
                return

    async def _down(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter, marked: asyncio.Event) -> None:
        while chunk := await self._read(answers):
            now = self.behaviour
            if marked.is_set():
                return
            for told, instead in self.replaced.items():
                chunk = chunk.replace(told, instead)
            if now.delay_s:
                await asyncio.sleep(now.delay_s)
            if now.cut_downstream_after is not None:
                chunk = chunk[: now.cut_downstream_after]
                now.cut_downstream_after -= len(chunk)
            writer.write(chunk)
            await writer.drain()
            if now.cut_downstream_after == 0:
                return

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        chunk = await reader.read(_CHUNK)
        while self.behaviour.black_hole:
            await self._change.wait()
        return chunk


@contextlib.asynccontextmanager
async def fault_proxy(
    upstream: str | tuple[str, int], listen: Path | None = None, *, source: str | None = None
) -> AsyncIterator[FaultProxy]:
    """A started proxy on a free TCP port, or on the unix socket *listen*, that connects from *source*."""
    proxy = FaultProxy(upstream, ("127.0.0.1", 0) if listen is None else str(listen), source=source)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()
