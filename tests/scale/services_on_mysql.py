"""The tests of services and system on a real MySQL server, where one can be had: `make test-mysql`. Else it says so and tries nothing.

    python -m tests.scale.services_on_mysql [words for pytest]

What measures time is left out: it says something about the product, and not which server is under it.
"""

from __future__ import annotations

import os
import sys

import pytest

from firewalker.local.binaries import MYSQL
from tests.scale.real_mysql import NONE, real_mysql

ROOMS = [*(f"tests/service/{room}" for room in ("user", "step", "notification", "runtime")), "tests/system"]

RUNNING = ("FIREWALKER_TEST_MYSQL_URL", "FIREWALKER_TEST_REDIS_URL")
"""What would have the tests run on servers that run already."""


def main() -> int:
    """Run them, and say on which server that was."""
    server = real_mysql()
    if isinstance(server, str):
        sys.stdout.write(f"{NONE.format(server)}\n")
        return 0
    for running in RUNNING:
        os.environ.pop(running, None)
    os.environ[MYSQL.variable] = str(server.path)  # the tests' private servers are this one, whatever is installed
    status = pytest.main([*ROOMS, "-n", "2", "-m", "not alone", *sys.argv[1:]])
    sys.stdout.write(f"This was {server}.\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
