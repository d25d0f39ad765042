"""A notification service in a process of its own whose machine has a wrong clock, and for which a test makes time pass.

    python -m tests.support.push_worker FILE SEED

FILE holds, as a double, how many seconds the shared time is ahead of MySQL's: all workers and the test see a change of it
at the same instant. The machine's own clock jumps as SEED has it; nobody must notice.
"""

import mmap
import os
import random
import signal
import struct
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

from firewalker.kernel.clock import SystemClock
from firewalker.local import ports
from firewalker.local.secrets import Secrets
from firewalker.notification import app, planner, sender
from firewalker.notification.config import NotificationConfig
from firewalker.notification.database_clock import DatabaseClock
from firewalker.runtime.process import main
from tests.support.emulator import Google

ANSWER_S = 2
LEASE_S = 2 * ANSWER_S
IN_FLIGHT = 16

_JUMPS_S = (0, -3_600, 3_600, -86_400, 90, -90)
_JUMP_EVERY_S = 0.5


class Ahead:
    """How far ahead of the machines the shared time is; in a file."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(struct.pack("d", 0.0))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 8)
        self.path = path

    @property
    def seconds(self) -> float:
        (found,) = struct.unpack("d", self._memory)
        return float(found)

    def advance(self, seconds: float) -> None:
        self._memory[:] = struct.pack("d", self.seconds + seconds)


class JumpingClock(SystemClock):
    """A machine's clock that somebody sets again and again, to something wrong."""

    seed: ClassVar[str]

    def now(self) -> datetime:
        turn = int(time.monotonic() / _JUMP_EVERY_S)
        jump = random.Random(f"{self.seed} {turn}").choice(_JUMPS_S)
        return datetime.now(UTC) + timedelta(seconds=jump)


class SharedClock(DatabaseClock):
    """The clock that the service has, and as much later as the test says."""

    ahead: ClassVar[Ahead]

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead.seconds)


class Worker:
    """The process, and how to end it."""

    def __init__(
        self, google: Google, secrets: Secrets, mysql_url: str, redis_url: str, *, ahead: Ahead, seed: str, log: Path
    ) -> None:
        free, prefix = ports.free(), "FIREWALKER_NOTIFICATION_"
        self.internal = free[f"{prefix}INTERNAL_PORT"]
        settings = {
            "PORT": free[f"{prefix}PORT"], "INTERNAL_PORT": self.internal, "MYSQL_URL": mysql_url, "REDIS_URL": redis_url,
            "JWKS_FILE": secrets.jwks, "SERVICE_TOKEN_FILE": secrets.service_token("notification"),
            "SERVICE_ALLOW_FILE": secrets.allowed_services, "PAGE_KEY_FILE": secrets.page_key,
            "FCM_ANSWER_S": ANSWER_S, "FCM_IN_FLIGHT": IN_FLIGHT,
            **{name.upper(): value for name, value in google.settings().items()},
        }  # fmt: skip
        ours = {name: value for name, value in os.environ.items() if not name.startswith("FIREWALKER_")}
        self._environment = ours | {f"{prefix}{name}": str(value) for name, value in settings.items()}
        self._command = [sys.executable, "-m", "tests.support.push_worker", str(ahead.path), seed]
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)

    def tell(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def end(self, number: signal.Signals) -> int:
        """Send a signal that ends it, and wait; the exit status. Nothing to do where it does not run."""
        if self._process is None or self._process.poll() is not None:
            return 0
        self.tell(signal.SIGCONT)
        self.tell(number)
        return self._process.wait(20)


if __name__ == "__main__":
    SharedClock.ahead, JumpingClock.seed = Ahead(Path(sys.argv[1])), sys.argv[2]
    # Time passes quickly there, and nobody tells the worker.
    sender.IDLE_S = planner.IDLE_S = 0.1
    vars(app).update(SystemClock=JumpingClock, DatabaseClock=SharedClock)
    main(service="notification", config=NotificationConfig, app=app.build, argv=[])
