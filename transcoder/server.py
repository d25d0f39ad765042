"""The process's servers: HTTP through uvicorn, metrics on a port of their own, and a drain that lets calls finish."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
import uvicorn
from prometheus_client import start_http_server

from transcoder.app import Transcoder
from transcoder.config import PREFIX, ConfigError, Settings
from transcoder.metrics import Metrics
from transcoder.protocol import limited
from transcoder.schema import Schema
from transcoder.turns import TimedLoop

_log = structlog.get_logger("transcoder")

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_BACKLOG: Final = 2048


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the drain below needs to act before uvicorn closes the port."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: Settings, schema: Schema) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second signal stops at once.

    Raises:
        ConfigError: A port is taken.
        SchemaError, RuleError: The descriptor set cannot be served.
    """
    metrics = Metrics()
    app = Transcoder(settings, schema, metrics)
    listener = listen(settings.host, settings.port)
    try:
        exposition, _ = start_http_server(settings.metrics_port, settings.host, metrics.registry)
    except OSError as error:
        listener.close()
        raise ConfigError(f"{PREFIX}METRICS_PORT: {settings.metrics_port} cannot be listened on: {error}") from error
    server = http_server(settings, app)
    drain = _Drain(server, app, settings.drain_delay_s)
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, drain.signalled)
    _log.info(
        "listening",
        host=settings.host,
        port=listener.getsockname()[1],
        metrics_port=exposition.server_port,
        methods=len(app.bindings),
    )
    if isinstance(loop, TimedLoop):
        loop.tell(metrics.turn)
    try:
        await server.serve(sockets=[listener])
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
        exposition.shutdown()
        exposition.server_close()
        _log.info("stopped")


def http_server(settings: Settings, app: Transcoder) -> uvicorn.Server:
    """Uvicorn with the limits of *settings*; it is served on sockets that the caller opened."""
    return _Server(
        uvicorn.Config(
            app,
            http=limited(settings),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=int(settings.idle_timeout_s),
            timeout_graceful_shutdown=max(1, int(settings.drain_timeout_s)),
        )
    )


class _Drain:
    """What happens on a signal: not ready, wait for the balancer, end streams, close the port, let calls finish."""

    def __init__(self, server: uvicorn.Server, app: Transcoder, delay_s: float) -> None:
        self._server = server
        self._app = app
        self._delay_s = delay_s
        self._task: asyncio.Task[None] | None = None

    def signalled(self) -> None:
        """Begin to drain; the second time, stop at once."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="drain")
        else:
            self._server.should_exit = self._server.force_exit = True

    async def _run(self) -> None:
        _log.info("draining")
        self._app.stop_accepting()
        await asyncio.sleep(self._delay_s)
        self._app.end_streams()
        self._server.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is: without it, every answer
    # waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(f"{PREFIX}PORT: {host}:{port} cannot be listened on: {error.strerror}") from error
    listener.setblocking(False)  # noqa: FBT003 - the standard library wants it so
    return listener
