"""The tests that mean nothing on another ground, and why: what begins with these names. `tests.scale.suites` prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SEVERAL_REDIS: Mapping[str, str] = {
    "tests/service/runtime/test_plain_drivers.py::test_a_command_whose_answer_is_lost_is_sent_again": (
        "shows what redis-py does without the product, to one server"
    ),
    "tests/system/test_outages.py::test_redis_away_is_no_reason_to_send_traffic_elsewhere": (
        "stops the backend's own Redis; tests/scale kills primaries under load"
    ),
    "tests/system/test_processes.py::test_the_backend_gets_over_a_restart_of_its_servers": (
        "kills the backend's own Redis and MySQL; tests/scale kills primaries under load"
    ),
}

ONE_MORE_MYSQL: Mapping[str, str] = {
    "tests/service/runtime/test_replica.py::test_a_server_that_does_not_number_what_it_commits_has_no_position": (
        "needs a server without a binary log"
    ),
    "tests/system/test_processes.py::test_the_backend_gets_over_a_restart_of_its_servers": (
        "kills the backend's own MySQL, and has it start again; tests/scale kills and promotes under load"
    ),
}

LEFT_OUT: Mapping[str, Mapping[str, str]] = {
    "cluster": SEVERAL_REDIS,
    "sentinels": SEVERAL_REDIS,
    "replica": ONE_MORE_MYSQL,
    "late-replica": ONE_MORE_MYSQL,
}
"""By ground."""
