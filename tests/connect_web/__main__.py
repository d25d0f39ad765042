"""@connectrpc/connect-web against the transcoder: `python -m tests.connect_web` (needs Node 18 or later and npm).

The packages of `package-lock.json` are installed below `.local/`; nothing else of the machine is touched.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from tests.support.transcoding import ROOT, library_process, transcoder_process

HERE = Path(__file__).parent
INSTALLED = ROOT / ".local" / "connect_web"
LIMIT_S = 120


async def main() -> int:
    """Install, serve, check; the exit status of the check."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        sys.stderr.write("Node and npm are needed.\n")
        return 1
    INSTALLED.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "check.mjs"):
        shutil.copy(HERE / name, INSTALLED)
    status = await run(npm, "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts")
    if status:
        return status
    with tempfile.TemporaryDirectory() as folder:
        async with library_process() as backend, transcoder_process(Path(folder), backend) as served:
            return await run(node, "check.mjs", f"http://127.0.0.1:{served.port}", f"{folder}/library.binpb")


async def run(*command: str) -> int:
    """Run a program where the packages are; its exit status."""
    process = await asyncio.create_subprocess_exec(*command, cwd=INSTALLED)
    return await asyncio.wait_for(process.wait(), LIMIT_S)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
