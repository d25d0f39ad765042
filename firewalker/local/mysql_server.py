"""A private MySQL or MariaDB server: its data folder, its command line, whether it answers. Who runs it is not known here."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from firewalker.local.binaries import Binary
from firewalker.local.children import end_leftover
from firewalker.local.files import make_private_folder, write_whole
from firewalker.local.problems import CannotStartError

SQL_MODE = "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
"""The default of MySQL 8; set so that MariaDB, whose default is laxer, refuses the same things."""

PROTOCOL = 10
"""First byte of the greeting of every server since MySQL 3.21; an error packet starts with 255 instead."""

CREATE_LIMIT_S = 120
MAX_CONNECTIONS = 400


@dataclass(frozen=True, slots=True)
class MySQLServer:
    """One private server: reachable through a unix socket only, as root without password.

    The socket's folder is closed to other users, which is what protects it.
    """

    binary: Binary
    data: Path
    """Folder of this server alone; the tables are one level below."""
    sockets: Path
    databases: tuple[str, ...] = ()
    """Made at every start if missing. Plain words: they are not quoted."""
    buffer_pool_mb: int = 128

    @property
    def socket(self) -> Path:
        """Path of the unix socket."""
        return self.sockets / "mysql.sock"

    @property
    def pid_file(self) -> Path:
        """Where the server writes its pid."""
        return self.data / "mysql.pid"

    @property
    def tables(self) -> Path:
        """The server's own data folder; there when it has been made completely."""
        return self.data / "tables"

    @property
    def scratch(self) -> Path:
        """Temporary tables. Not in the system's own folder: there, a server that starts removes those of all others."""
        return self.data / "temporary"

    def url(self, database: str = "") -> str:
        """The address in the form that services take: ``mysql://root@localhost/<database>?unix_socket=<quoted path>``."""
        return f"mysql://root@localhost/{database}?unix_socket={quote(str(self.socket), safe='')}"

    def prepare(self) -> None:
        """Make the data folder if there is none, and clear what a killed run left. Not while the server runs.

        Raises:
            CannotStartError: The server program failed, or the data belongs to another flavour or a later version.
        """
        make_private_folder(self.data)
        make_private_folder(self.scratch)
        end_leftover(self.pid_file, str(self.data))
        for leftover in (self.socket, self.socket.with_name("mysql.sock.lock")):
            # MySQL refuses to start if the lock file names a pid that somebody else has by now.
            leftover.unlink(missing_ok=True)
        if not self.tables.exists():
            self._create()
        self._check_maker()
        statements = (f"CREATE DATABASE IF NOT EXISTS {name};\n" for name in self.databases)
        write_whole(self.data / "start.sql", "".join(statements).encode())

    def command(self) -> list[str]:
        """The command line that runs the server in the foreground, logging to its standard error."""
        options = [
            *self._options(self._base(), self.tables),
            f"--socket={self.socket}",
            f"--pid-file={self.pid_file}",
            f"--init-file={self.data / 'start.sql'}",
            f"--tmpdir={self.scratch}",
            "--skip-networking",
            "--skip-name-resolve",
            "--skip-log-bin",
            "--local-infile=OFF",
            f"--sql-mode={SQL_MODE}",
            "--default-time-zone=+00:00",
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_unicode_ci",
            f"--max-connections={MAX_CONNECTIONS}",
            f"--innodb-buffer-pool-size={self.buffer_pool_mb}M",
            "--innodb-flush-log-at-trx-commit=1",
        ]
        if self.binary.flavour == "mysql":
            # Debian's build aborts without a value for the second; the third saves 250 MB.
            options += ["--mysqlx=OFF", "--secure-file-priv=NULL", "--performance-schema=OFF"]
        else:
            options += ["--log-warnings=1"]  # else every readiness probe is logged as an aborted connection
        return [str(self.binary.path), *options]

    def answers(self) -> bool:
        """Whether it greets a client now. Blocks at most a second."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                client.connect(str(self.socket))
                greeting = client.recv(5)
        except OSError:
            return False
        return len(greeting) == 5 and greeting[4] == PROTOCOL  # noqa: PLR2004 - 4 bytes of length, 1 of protocol

    def _options(self, base: Path, tables: Path) -> list[str]:
        """What creating and running have in common; ``--no-defaults`` has to come first."""
        options = ["--no-defaults", f"--basedir={base}", f"--datadir={tables}"]
        for share in (base / "share/mysql", base / "share/mariadb"):
            if (share / "english").is_dir():
                options.append(f"--lc-messages-dir={share}")
                break
        if os.getuid() == 0:
            options.append("--user=root")
        return options

    def _base(self) -> Path:
        return self.binary.path.resolve().parent.parent

    def _create(self) -> None:
        """Fill a new folder with the system tables; it takes its name when complete, so that a killed run starts over."""
        tables = self.data / "tables.new"
        shutil.rmtree(tables, ignore_errors=True)
        if self.binary.flavour == "mysql":
            options = [*self._options(self._base(), tables), f"--tmpdir={self.scratch}"]
            self._run_maker([str(self.binary.path), *options, "--initialize-insecure"])
        else:
            self._install_mariadb(tables)
        _write_maker(self.data / "made-by", self.binary)
        tables.rename(self.tables)

    def _install_mariadb(self, tables: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="firewalker-") as plain:
            # The script breaks on paths with spaces; these links have none.
            base, data = Path(plain, "base"), Path(plain, "data")
            base.symlink_to(self._base())
            data.symlink_to(tables.parent)
            names = (
                f"{folder}/{name}"
                for name in ("mariadb-install-db", "mysql_install_db")
                for folder in ("bin", "scripts")
            )
            script = next((base / name for name in names if (base / name).exists()), None)
            if script is None:
                message = f"{self.binary} comes without mariadb-install-db; install the rest of the MariaDB server."
                raise CannotStartError(message)
            options = [*self._options(base, data / tables.name), f"--tmpdir={data / self.scratch.name}"]
            options += ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
            self._run_maker(["/bin/sh", str(script), *options])

    def _run_maker(self, command: list[str]) -> None:
        try:
            done = subprocess.run(
                command,
                cwd=self.data,
                env=self.binary.environment(),
                text=True,
                errors="replace",
                timeout=CREATE_LIMIT_S,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except subprocess.TimeoutExpired:
            message = f"{self.binary} did not create its data folder {self.data} within {CREATE_LIMIT_S} s."
            raise CannotStartError(message) from None
        if done.returncode != 0:
            lines = done.stdout.strip().splitlines()
            said = "\n".join([line for line in lines if "ERROR" in line] or lines[-8:])
            message = f"{self.binary} could not create its data folder {self.data}:\n{said}"
            raise CannotStartError(message)

    def _check_maker(self) -> None:
        """Refuse data that this server would damage or not understand; note a newer server, which upgrades the data."""
        made_by = self.data / "made-by"
        flavour, major, minor = made_by.read_text().split()
        if flavour != self.binary.flavour or self.binary.version[:2] < (int(major), int(minor)):
            message = (
                f"The data in {self.data} was made by {flavour} {major}.{minor}, but the server found is {self.binary}. "
                "Name the former in FIREWALKER_MYSQLD, or remove that folder to start empty."
            )
            raise CannotStartError(message)
        _write_maker(made_by, self.binary)


def _write_maker(path: Path, binary: Binary) -> None:
    write_whole(path, f"{binary.flavour} {binary.version[0]} {binary.version[1]}\n".encode())
