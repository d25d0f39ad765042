"""The transcoder's application under another ASGI server: `python -m tests.bench.asgi_servers granian|hypercorn PORT`.

Configured by the environment, as the transcoder itself. Without the limits that `transcoder.protocol` adds to uvicorn.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from typing import Any

from transcoder import logs
from transcoder.app import Transcoder
from transcoder.config import Settings
from transcoder.schema import Schema


def application() -> Transcoder:
    """The application, as the transcoder's own server has it."""
    settings = Settings.from_environment()
    logs.configure("info", "json")
    return Transcoder(settings, Schema.load(settings.descriptor_set))


def main() -> None:
    """Serve until killed."""
    server, port = sys.argv[1], int(sys.argv[2])
    sys.stderr.write(json.dumps({"event": "listening", "port": port}) + "\n")
    sys.stderr.flush()
    if server == "hypercorn":
        config: Any = importlib.import_module("hypercorn.config").Config()
        config.bind = [f"127.0.0.1:{port}"]
        serve = importlib.import_module("hypercorn.asyncio").serve
        asyncio.run(serve(application(), config))
    else:
        embed: Any = importlib.import_module("granian.server.embed").Server
        asyncio.run(
            embed(
                application(), address="127.0.0.1", port=port, interface="asgi", backlog=2048, backpressure=20_000
            ).serve()
        )


if __name__ == "__main__":
    main()
