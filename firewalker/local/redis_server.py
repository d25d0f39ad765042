"""A private Redis or Valkey server: its command line, whether it answers. It keeps nothing: all it holds is derived."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from firewalker.local.binaries import Binary
from firewalker.local.children import end_leftover
from firewalker.local.files import make_private_folder


@dataclass(frozen=True, slots=True)
class RedisServer:
    """One private server: reachable through a unix socket only, without persistence and without eviction."""

    binary: Binary
    data: Path
    """Folder of this server alone; stays empty but for the pid file."""
    sockets: Path

    @property
    def socket(self) -> Path:
        """Path of the unix socket."""
        return self.sockets / "redis.sock"

    @property
    def pid_file(self) -> Path:
        """Where the server writes its pid."""
        return self.data / "redis.pid"

    def url(self, database: int = 0) -> str:
        """The address in the form that services take: ``unix://<path>?db=<number>``."""
        return f"unix://{quote(str(self.socket))}?db={database}"

    def prepare(self) -> None:
        """Make the folder and clear what a killed run left. Not while the server runs."""
        make_private_folder(self.data)
        end_leftover(self.pid_file, str(self.socket))
        self.socket.unlink(missing_ok=True)

    def command(self) -> list[str]:
        """The command line that runs the server in the foreground, logging to its standard output."""
        return [
            str(self.binary.path),
            *("--port", "0"),
            *("--unixsocket", str(self.socket)),
            *("--unixsocketperm", "700"),
            *("--dir", str(self.data)),
            *("--pidfile", str(self.pid_file)),
            *("--daemonize", "no"),
            *("--save", ""),
            *("--appendonly", "no"),
            *("--maxmemory-policy", "noeviction"),  # an evicted revocation would let a revoked token in
            *("--loglevel", "warning"),
        ]

    def answers(self) -> bool:
        """Whether it answers PING now. Blocks at most a second."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(5) == b"+PONG"
        except OSError:
            return False
