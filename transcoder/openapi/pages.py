"""``/openapi.json`` and ``/docs``: the document, and the viewer that ships with this package."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from transcoder import jsontext
from transcoder.openapi.schemas import Json

PATHS: Final = frozenset({"/openapi.json", "/docs"})
VIEWER_PREFIX: Final = "/docs/"

_VIEWER: Final = Path(__file__).parent / "viewer"
_SECURITY: Final = {
    # Swagger UI draws its icons from data: URLs. Nothing comes from another host, and no script stands in the page.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}


def routes(make: Callable[[], Json]) -> list[BaseRoute]:
    """The routes; *make* makes the document, once, when it is first asked for."""

    @cache
    def made() -> tuple[bytes, str]:
        text = jsontext.dumps(make())
        return text, f'"{hashlib.sha256(text).hexdigest()[:32]}"'

    async def openapi(request: Request) -> Response:
        text, etag = await asyncio.to_thread(made)  # the first time it takes a while
        headers = {"etag": etag, "cache-control": "no-cache", "x-content-type-options": "nosniff"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(text, media_type="application/json", headers=headers)

    return [Route("/openapi.json", openapi), Route("/docs", _page), Mount("/docs", _Viewer(directory=_VIEWER))]


async def _page(_request: Request) -> Response:
    return FileResponse(_VIEWER / "index.html", headers={**_SECURITY, "cache-control": "no-cache"})


class _Viewer(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """A file of the viewer, asked for again only when it may have changed."""
        response = super().file_response(*args, **kwargs)
        response.headers.update({**_SECURITY, "cache-control": "no-cache"})
        return response
