"""What Schemathesis makes of the document finds no answer that the document does not tell."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support import schemathesis

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "5"))
SEED = int(os.environ.get("SCHEMATHESIS_SEED", "1"))


async def test_nothing_is_found(serve: Callable[..., Any], tmp_path: Path) -> None:
    served = await serve()
    status, out = await schemathesis.run(
        served.url,
        tmp_path,
        # Endless streams, slowness and failures on demand, and bytes of no kind are the point of these.
        *("--exclude-path-regex", "ticks|download|slow|chat|fail|/v1/files"),
        examples=EXAMPLES,
        seed=SEED,
    )
    assert status == 0, out
    assert int(re.findall(r"(\d+) generated", out)[0]) > 50, out
