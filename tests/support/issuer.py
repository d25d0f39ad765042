"""An issuer of id_tokens on this machine, as Kakao, Google and Apple are elsewhere: keys over HTTP, tokens as a test wants them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

AUDIENCE = "org.firewalker.app"


@dataclass
class Issuer:
    """Keys by id; what it answers, and how often it was asked."""

    keys: dict[str, RSAPrivateKey] = field(default_factory=lambda: {"k1": generate_private_key(65537, 2048)})
    asked: int = 0
    status: int = 200
    body: bytes | None = None
    """Instead of the keys."""
    port: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while it answers, as it is at first."""

    def __post_init__(self) -> None:
        self.open.set()

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self) -> dict[str, Any]:
        return {"audiences": [AUDIENCE], "issuers": [self.issuer], "jwks_url": f"{self.issuer}/keys"}

    def token(self, subject: str = "s-1", *, key: str = "k1", at: datetime | None = None, **changes: Any) -> str:
        """A good token, but for *changes*; None leaves a claim out."""
        now = int((at or datetime.now(UTC)).timestamp())
        claims = {"iss": self.issuer, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 3600, **changes}
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, self.keys[key], "RS256", {"kid": key})

    def jwks(self) -> bytes:
        made = []
        for key_id, key in self.keys.items():
            jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
            made.append({**jwk, "kid": key_id, "use": "sig", "alg": "RS256"})
        return json.dumps({"keys": made}).encode()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        await self.open.wait()
        body = self.jwks() if self.body is None else self.body
        head = f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def issuing() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    server = await asyncio.start_server(issuer.answer, "127.0.0.1", 0)
    issuer.port = server.sockets[0].getsockname()[1]
    async with server:
        yield issuer
