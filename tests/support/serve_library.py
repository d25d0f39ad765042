"""The library service of the transcoder's tests as a process: `python -m tests.support.serve_library` prints its port."""

from __future__ import annotations

import asyncio
import sys

from tests.transcoder.library_server import Library


async def serve() -> None:
    """Serve until killed."""
    library = Library()
    await library.start()
    sys.stdout.write(f"{library.port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
