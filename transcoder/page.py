"""The web page: its files, read once at the start and served from memory. What they do is told beside them, in ``web/``."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from transcoder.errors import Code, Problem, Reason

PATHS: Final = ("/", "/verify-email", "/reset-password")
"""Where the page itself is: the address, and what links in mails lead to."""

PREFIX: Final = "/web/"
"""Where its other files are."""

FOLDER: Final = Path(__file__).parent / "web"

_INDEX: Final = "index.html"
_FOR_EVER: Final = "vendor/"
"""Files below it never change: their folders have the version in their names."""

SECURITY: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # nor would one hold tokens of mails: they stand behind "#"
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""For every answer at these paths, refusals too."""

_TYPES: Final = {".js": "text/javascript", ".mjs": "text/javascript", ".woff2": "font/woff2"}
"""Types that the system may not know, or know otherwise."""

_TOLD_BESIDE: Final = ".md"
"""Files for who works on the page; they are not served."""

_WORTH_GZIP: Final = 1024
"""Bytes below which compression gains nothing: the answer is one packet anyway."""

_NEVER: Final = re.compile(r"\s*q\s*=\s*0(\.0*)?\s*")
"""The weight of a coding that a client cannot read (RFC 9110, 12.4.2)."""


@dataclass(frozen=True, slots=True)
class _File:
    plain: bytes
    zipped: bytes | None
    headers: Mapping[str, str]
    etag: str


def routes(domain: str, folder: Path = FOLDER) -> list[BaseRoute]:
    """The routes of the page in *folder*; *domain* is that of the refusal for files that are not there.

    A path is a key of a table made at the start, never a name on the disk: none leads out of the folder.
    """
    files = {
        path.relative_to(folder).as_posix(): _read(folder, path)
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != _TOLD_BESIDE
    }
    missing = Problem(Code.NOT_FOUND, Reason.ROUTE_NOT_FOUND, "The page has no such file.").body(domain)

    async def page(request: Request) -> Response:
        return _answer(request, files[_INDEX])

    async def file(request: Request) -> Response:
        found = files.get(request.path_params["path"])
        if found is None:
            return Response(
                missing, 404, headers={**SECURITY, "cache-control": "no-store"}, media_type="application/json"
            )
        return _answer(request, found)

    return [*(Route(path, page) for path in PATHS), Route(PREFIX + "{path:path}", file)]


def _answer(request: Request, file: _File) -> Response:
    if _has(_whole(request, "if-none-match"), file.etag):
        return Response(status_code=304, headers=dict(file.headers))
    if file.zipped is not None and _reads_gzip(_whole(request, "accept-encoding")):
        return Response(file.zipped, headers={**file.headers, "content-encoding": "gzip"})
    return Response(file.plain, headers=dict(file.headers))


def _whole(request: Request, name: str) -> str:
    """A header that may come in several lines."""
    return ",".join(request.headers.getlist(name))


def _has(known: str, etag: str) -> bool:
    """Whether *etag* is among those of an ``If-None-Match``, by the weak comparison (RFC 9110, 8.8.3.2 and 13.1.2)."""
    given = [each.strip().removeprefix("W/") for each in known.split(",")]
    return given == ["*"] or etag.removeprefix("W/") in given


def _reads_gzip(accepted: str) -> bool:
    """Whether an ``Accept-Encoding`` takes gzip, by its name or by ``*``."""
    weights = {}
    for each in accepted.lower().split(","):
        coding, _, weight = each.partition(";")
        weights[coding.strip()] = weight
    of_gzip = weights.get("gzip", weights.get("*"))
    return of_gzip is not None and not _NEVER.fullmatch(of_gzip)


def _read(folder: Path, path: Path) -> _File:
    plain = path.read_bytes()
    zipped = gzip.compress(plain, mtime=0) if len(plain) >= _WORTH_GZIP else b""
    etag = f'W/"{hashlib.sha256(plain).hexdigest()[:32]}"'  # weak: it is the same for the compressed file
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    for_ever = path.relative_to(folder).as_posix().startswith(_FOR_EVER)
    headers = {
        **SECURITY,
        "content-type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
        "cache-control": "public, max-age=31536000, immutable" if for_ever else "no-cache",
        "etag": etag,
        "vary": "accept-encoding",
    }
    return _File(plain, zipped if 0 < len(zipped) < len(plain) else None, headers, etag)
