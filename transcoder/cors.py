"""Pages of other origins: Starlette's CORS layer, told what browsers may send here and read of the answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from transcoder.config import Settings

_MAX_AGE_S: Final = 7_200
"""How long a browser may remember what it was allowed: Chromium's own upper limit."""

_REQUEST_HEADERS: Final = (
    *("content-type", "content-encoding", "x-request-id", "idempotency-key", "grpc-timeout"),
    *("x-grpc-web", "x-user-agent", "grpc-encoding", "grpc-accept-encoding"),
    *("connect-protocol-version", "connect-timeout-ms", "connect-content-encoding", "connect-accept-encoding"),
)
"""What clients of the three protocols send, besides the headers that are forwarded."""

_RESPONSE_HEADERS: Final = (
    *("x-request-id", "retry-after", "www-authenticate", "allow"),
    *("grpc-status", "grpc-message", "grpc-status-details-bin", "connect-content-encoding"),
)
"""What pages may read, besides the metadata that is returned."""


def with_cors(app: ASGIApp, settings: Settings, methods: Iterable[str]) -> ASGIApp:
    """*app*, callable from pages of the configured origins; *app* itself if there are none."""
    if not settings.cors_origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=settings.cors_origins,
        allow_methods=sorted({"GET", "HEAD", "POST", *methods} - {"*"}),
        allow_headers=sorted({*_REQUEST_HEADERS, *settings.forward_headers}),
        expose_headers=sorted({*_RESPONSE_HEADERS, *settings.return_headers}),
        max_age=_MAX_AGE_S,
    )
