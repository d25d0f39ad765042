"""Pictures of users: memory and time of the darkroom for the worst files that it takes, and for a usual one.

    python -m tests.bench.pictures [--json FILE]

Every file is developed by a process of its own, twice at the same time, as two calls would have it.
"""

import argparse
import asyncio
import io
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image

from firewalker.user.darkroom import PillowDarkroom
from firewalker.user.domain.avatar import MAX_PIXELS


def _flat(form: str, mode: str, pixels: int, **options: object) -> bytes:
    side, out = int(pixels**0.5), io.BytesIO()
    Image.new(mode, (side, side), 1).save(out, form, **options)
    return out.getvalue()


def _usual() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((504, 378), 40).resize((4032, 3024)).convert("RGB").save(out, "JPEG", quality=85)
    return out.getvalue()


JPEG, PNG, WEBP = MAX_PIXELS

PICTURES: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "JPEG of a phone, 12 MP": (JPEG, _usual),
    "JPEG, progressive": (JPEG, lambda: _flat("JPEG", "RGB", MAX_PIXELS[JPEG], progressive=True, subsampling=0)),
    "JPEG, progressive, CMYK": (JPEG, lambda: _flat("JPEG", "CMYK", MAX_PIXELS[JPEG], progressive=True)),
    "PNG with alpha": (PNG, lambda: _flat("PNG", "RGBA", MAX_PIXELS[PNG])),
    "PNG with a transparent colour": (PNG, lambda: _flat("PNG", "RGB", MAX_PIXELS[PNG], transparency=(0, 0, 0))),
    "WebP with alpha": (WEBP, lambda: _flat("WEBP", "RGBA", MAX_PIXELS[WEBP], lossless=True, method=0)),
}
"""The type and the making of each file."""


def measure(name: str) -> dict[str, object]:
    """One line of the table."""
    content_type, make = PICTURES[name]
    with tempfile.NamedTemporaryFile() as file:
        content = make()
        Path(file.name).write_bytes(content)
        command = [sys.executable, "-m", "tests.bench.pictures", "--develop", content_type, file.name]
        figures = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return {"what": name, "kib": round(len(content) / 1024), **figures}


async def develop(content_type: str, content: bytes) -> dict[str, int]:
    """What this process took for it, beyond what it had before."""
    darkroom, before, begun = PillowDarkroom(), _peak_mib(), time.process_time()
    await asyncio.gather(*(darkroom.develop(content, content_type) for _ in range(2)))
    took = time.process_time() - begun
    await darkroom.stop()
    return {"cpu_ms": round(took / 2 * 1000), "mib": round(_peak_mib() - before)}


def _peak_mib() -> float:
    """The most that this process ever had. (`getrusage` would tell of the one that started it.)"""
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak) / 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", default="")
    parser.add_argument("--develop", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.develop:
        print(json.dumps(asyncio.run(develop(chosen.develop[0], Path(chosen.develop[1]).read_bytes()))))
        sys.exit()
    measured = [measure(name) for name in PICTURES]
    for line in measured:
        print("{what:<30} {kib:>6} KiB {cpu_ms:>6} ms of a core {mib:>6} MiB".format_map(line))
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(measured, indent=2) + "\n")
