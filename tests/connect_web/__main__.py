"""@connectrpc/connect-web against the transcoder: `python -m tests.connect_web` (needs Node 18 or later and npm).

First the library service by all its transports, then the TypeScript of `proto/clients.md` against a whole backend.

The packages of `package-lock.json` are installed below `.local/`; nothing else of the machine is touched.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from firewalker.local.backend import Backend
from tests.support.snippets import PROTO, at, snippets
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
            status = await run(node, "check.mjs", f"http://127.0.0.1:{served.port}", f"{folder}/library.binpb")
        return status or await snippet(node, Path(folder))


async def snippet(node: str, folder: Path) -> int:
    """Make the types and run the program, both as the page says; its exit status."""
    (INSTALLED / "buf.gen.yaml").write_text(snippets("TypeScript", "yaml")[0])
    status = await run(str(Path(sys.executable).with_name("buf")), "generate", str(PROTO), "--clean")
    if status:
        return status
    async with Backend.start(folder / "backend") as backend:
        (program,) = snippets("TypeScript", "ts")
        (INSTALLED / "client.mjs").write_text(at(backend, program))
        told = await output_of(node, "client.mjs")
    sys.stdout.write(told)
    if told.split() != ["AnnTypes", "[", "'0", "AnnTypes'", "]"]:
        sys.stderr.write("The program of proto/clients.md told something else than a board with AnnTypes on it.\n")
        return 1
    return 0


async def output_of(*command: str) -> str:
    """Run a program where the packages are; what it printed."""
    process = await asyncio.create_subprocess_exec(*command, cwd=INSTALLED, stdout=asyncio.subprocess.PIPE)
    output, _ = await asyncio.wait_for(process.communicate(), LIMIT_S)
    return output.decode()


async def run(*command: str) -> int:
    """Run a program where the packages are; its exit status."""
    process = await asyncio.create_subprocess_exec(*command, cwd=INSTALLED)
    return await asyncio.wait_for(process.wait(), LIMIT_S)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
