"""The peers as processes of their own.

    python -m tests.bench.peers.serving http|grpc MYSQL_URL JWKS_FILE

Prints its port as its first line, then serves until SIGTERM.
"""

import asyncio
import socket
import sys
from pathlib import Path

import uvicorn

from tests.bench.peers import over_grpc, over_http
from tests.bench.peers.table import Table, Tokens
from tests.bench.serving import terminated


async def serve_http(table: Table, tokens: Tokens) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(over_http.app(table, tokens), log_level="error", access_log=False))
    print(listening.getsockname()[1], flush=True)
    await server.serve([listening])  # ends with SIGTERM by itself


async def serve_grpc(table: Table, tokens: Tokens) -> None:
    server = over_grpc.server(table, tokens)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await terminated()
    await server.stop(1)


async def serve(kind: str, mysql_url: str, jwks: Path) -> None:
    table, tokens = Table(mysql_url), Tokens(jwks)
    await table.create()
    try:
        await {"http": serve_http, "grpc": serve_grpc}[kind](table, tokens)
    finally:
        await table.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
