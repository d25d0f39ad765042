"""The emulator's two ports: TLS for senders, plain HTTP for people and tests."""

import asyncio
import ssl
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn

from firewalker.emulator.fcm import Fcm
from firewalker.emulator.http1 import serve_http1
from firewalker.emulator.http2 import Http2
from firewalker.emulator.ledger import Ledger
from firewalker.emulator.oauth import Account
from firewalker.emulator.pages import pages


class Emulator:
    """A running emulator; *port* is the plain one, *tls_port* FCM's. 0 takes a free one."""

    def __init__(
        self,
        *,
        account: bytes,
        certificate: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        tls_port: int = 0,
        ledger: Path | None = None,
    ) -> None:
        """*account* is the service account's file, *certificate* holds the server's and its key.

        Raises:
            ValueError, KeyError, OSError: One of them is not what it should be.
        """
        self.fcm = Fcm(Account.parse(account), Ledger(ledger))
        self._host = host
        self.port = port
        self.tls_port = tls_port
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate)
        self._tls.set_alpn_protocols(["h2", "http/1.1"])
        self._numbers = count(1)
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._plain: uvicorn.Server | None = None
        self._plain_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, self._host, self.tls_port, ssl=self._tls, backlog=512)
        self.tls_port = self._server.sockets[0].getsockname()[1]
        config = uvicorn.Config(
            pages(self.fcm), host=self._host, port=self.port, log_config=None, access_log=False, lifespan="off",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._plain = _Quiet(config)
        self._plain_task = asyncio.create_task(self._plain.serve())
        while not self._plain.started:
            if self._plain_task.done():
                self._plain_task.result()
                raise OSError(f"port {self.port} cannot be listened on")
            await asyncio.sleep(0.01)
        self.port = self._plain.servers[0].sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop at once."""
        if self._server is not None:
            self._server.close()
        for task in set(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._plain is not None and self._plain_task is not None:
            self._plain.should_exit = True
            await asyncio.gather(self._plain_task, return_exceptions=True)
        self.fcm.ledger.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        number = next(self._numbers)
        try:
            if chosen == "h2":
                await Http2(self.fcm, number, reader, writer).serve()
            else:
                await serve_http1(self.fcm, number, reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()


class _Quiet(uvicorn.Server):
    """Leaves signals to the program."""

    def install_signal_handlers(self) -> None:
        """None."""

    def capture_signals(self) -> "_Nothing":  # type: ignore[override]  # uvicorn's is a generator
        """None."""
        return _Nothing()


class _Nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...
