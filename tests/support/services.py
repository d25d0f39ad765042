"""One service inside the test's own process: its real composition root, on free ports, with secrets of its own."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import grpc.aio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from firewalker.local.secrets import Secrets, make_secrets
from firewalker.runtime.config import ServiceConfig
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.runtime.migrations import migrate
from firewalker.runtime.process import App
from tests.support.replicas import replica_url
from tests.support.signing import Signer

C = TypeVar("C", bound=ServiceConfig)


@dataclass(frozen=True, slots=True)
class Service:
    """A running service and two channels to it, by grpcio: its public and its internal port."""

    app: App
    secrets: Secrets
    public: grpc.aio.Channel
    internal: grpc.aio.Channel
    public_address: str
    internal_address: str

    def as_user(self, user_id: UUID, **claims: Any) -> list[tuple[str, str]]:
        """Metadata with which *user_id* calls the public port, in a session that nobody has ended."""
        key = load_pem_private_key(self.secrets.access_token_key.read_bytes(), None)
        assert isinstance(key, Ed25519PrivateKey)
        jwk, *_ = json.loads(self.secrets.jwks.read_text())["keys"]
        return [("authorization", f"Bearer {Signer(jwk['kid'], key).token(sub=str(user_id), **claims)}")]

    def as_service(self, name: str) -> list[tuple[str, str]]:
        """Metadata with which service *name* calls the internal port."""
        return [("authorization", f"Bearer {self.secrets.service_token(name).read_text().strip()}")]


@asynccontextmanager
async def serving(
    name: str,
    config: Callable[..., C],
    build: Callable[[C], Awaitable[App]],
    *,
    folder: Path,
    mysql_url: str,
    redis_url: str,
    settings: Mapping[str, Any] | None = None,
) -> AsyncIterator[Service]:
    """Migrate *mysql_url*, build service *name* on it and serve until the block is left."""
    secrets = make_secrets(folder)
    await migrate(mysql_url, files(f"firewalker.{name}") / "store" / "schema")
    app = await build(
        config(
            port=0,
            internal_port=0,
            mysql_url=mysql_url,
            mysql_replica_url=replica_url(mysql_url),
            redis_url=redis_url,
            jwks_file=secrets.jwks,
            service_token_file=secrets.service_token(name),
            service_allow_file=secrets.allowed_services,
            page_key_file=secrets.page_key,
            **(settings or {}),
        )
    )
    async with app.resources:
        started = []
        try:
            for part in app.parts:
                started.append(part)
                await part.start()
            for server in app.servers:
                await server.start()
                server.health.set(True)
            addresses = [f"127.0.0.1:{server.port}" for server in app.servers if isinstance(server, GrpcServer)]
            async with (
                grpc.aio.insecure_channel(addresses[0]) as public,
                grpc.aio.insecure_channel(addresses[1]) as internal,
            ):
                yield Service(app, secrets, public, internal, addresses[0], addresses[1])
        finally:
            for server in app.servers:
                await server.close()
            for part in reversed(started):
                await part.stop()
