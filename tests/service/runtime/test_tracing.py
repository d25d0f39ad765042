"""The end of a process whose traces nobody takes."""

import subprocess
import sys

STOPS_WITHOUT_A_COLLECTOR = """
import threading
from firewalker.runtime import tracing
tracing.start("http://127.0.0.1:9/v1/traces", service="test", share=1)
for _ in range(2_000):
    with tracing.span("SQL"):
        pass
tracing.stop()
print([thread.name for thread in threading.enumerate() if not thread.daemon])
"""


def test_a_process_ends_in_time_though_its_collector_is_away() -> None:
    # Trying to send all of it takes more than 30 s.
    command = [sys.executable, "-c", STOPS_WITHOUT_A_COLLECTOR]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603 - of this file
    assert ended.stdout.strip() == "['MainThread']"
