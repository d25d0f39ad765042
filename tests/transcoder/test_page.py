from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from starlette.applications import Starlette

from transcoder import page
from transcoder.app import Transcoder

STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "index.html": "<p>hello</p>",
        "app/main.js": "let steps = 0;\n" * 200,
        "app/page.css": "p {}",
        "vendor/plot-1.2.3/plot.js": "plot",
        "README.md": "how",
        "app/notes.md": "how",
    }
    for name, text in files.items():
        path = tmp_path / "web" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "secret").write_text("secret")
    return tmp_path / "web"


@pytest.fixture
def files(folder: Path) -> httpx.AsyncClient:
    app = Starlette(routes=page.routes("tests", folder))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page")


@pytest.mark.parametrize("path", ["/", "/verify-email", "/reset-password", "/?from=mail"])
async def test_the_page_is_at_its_address_and_where_mails_lead(files: httpx.AsyncClient, path: str) -> None:
    answer = await files.get(path)
    assert (answer.status_code, answer.text) == (200, "<p>hello</p>")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/web/app/main.js", "text/javascript; charset=utf-8"),
        ("/web/app/page.css", "text/css; charset=utf-8"),
        ("/web/vendor/plot-1.2.3/plot.js", "text/javascript; charset=utf-8"),
    ],
)
async def test_files_have_their_types(files: httpx.AsyncClient, path: str, kind: str) -> None:
    answer = await files.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)


@pytest.mark.parametrize("path", ["/", "/web/app/main.js", "/web/missing.js"])
async def test_nothing_may_run_that_is_not_ours(files: httpx.AsyncClient, path: str) -> None:
    headers = (await files.get(path)).headers
    assert headers["content-security-policy"] == STRICT
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")


@pytest.mark.parametrize(
    "path",
    [
        *("/web/../secret", "/web/%2e%2e/secret", "/web/..%2fsecret", "/web/app/../../secret", "/web//etc/passwd"),
        *("/web/app", "/web/app/", "/web/", "/web/app/main.js/", "/web/./app/main.js", "/web/app/main.js%00"),
    ],
)
async def test_no_path_leads_out_of_the_folder(folder: Path, path: str) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(event: Any) -> None:
        sent.append(event)

    # As uvicorn hands it over; httpx would take the dots out.
    scope = {"type": "http", "method": "GET", "path": unquote(path), "raw_path": path.encode(), "headers": []}
    await Starlette(routes=page.routes("tests", folder))({**scope, "query_string": b""}, receive, send)
    assert (sent[0]["status"], json.loads(sent[1]["body"])["code"]) == (404, 5)


@pytest.mark.parametrize("path", ["/web/README.md", "/web/app/notes.md"])
async def test_what_is_told_beside_the_files_is_not_served(files: httpx.AsyncClient, path: str) -> None:
    assert (await files.get(path)).status_code == 404


async def test_an_unchanged_file_is_not_sent_again(files: httpx.AsyncClient) -> None:
    first = await files.get("/web/app/main.js")
    assert first.headers["cache-control"] == "no-cache"
    again = await files.get("/web/app/main.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    changed = await files.get("/web/app/main.js", headers={"if-none-match": '"other"'})
    assert changed.status_code == 200


@pytest.mark.parametrize(
    ("told", "status"),
    [
        *(("*", 304), (" * ", 304), ("{weak}", 304), ("{strong}", 304), ('"other", {weak}', 304)),
        *(('{strong},W/"other"', 304), ('"other"', 200), ("", 200), ("{bare}", 200), ('"a{bare}"', 200)),
        *(('"{bare}', 200), ('W/"other", "more"', 200), ('"*"', 200), ("x{weak}", 200), ("{weak}x", 200)),
    ],
)
async def test_a_file_is_known_by_its_whole_tag_weak_or_strong(
    files: httpx.AsyncClient, told: str, status: int
) -> None:
    weak = (await files.get("/web/app/main.js")).headers["etag"]
    strong = weak.removeprefix("W/")
    known = told.format(weak=weak, strong=strong, bare=strong.strip('"'))
    answer = await files.get("/web/app/main.js", headers={"if-none-match": known})
    assert answer.status_code == status


async def test_tags_in_several_lines_are_one_list(files: httpx.AsyncClient) -> None:
    etag = (await files.get("/web/app/main.js")).headers["etag"]
    lines = [("if-none-match", '"other"'), ("if-none-match", etag)]
    assert (await files.get("/web/app/main.js", headers=lines)).status_code == 304


async def test_what_has_its_version_in_its_path_is_kept_for_ever(files: httpx.AsyncClient) -> None:
    answer = await files.get("/web/vendor/plot-1.2.3/plot.js")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_files_are_compressed_for_who_can_read_that(files: httpx.AsyncClient, folder: Path) -> None:
    plain = (folder / "app/main.js").read_bytes()
    async with files.stream("GET", "/web/app/main.js", headers={"accept-encoding": "gzip"}) as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "accept-encoding"
    assert len(raw) < len(plain) / 5
    assert gzip.decompress(raw) == plain
    bare = await files.get("/web/app/main.js", headers={"accept-encoding": "identity"})
    assert ("content-encoding" in bare.headers, bare.content) == (False, plain)


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [
        *(("gzip", True), ("GZIP", True), ("br, gzip;q=0.5", True), ("*", True), ("deflate , gzip ; q=1.0", True)),
        *(("gzip;q=0.001", True), ("*;q=0, gzip", True), ("gzip;q=0", False), ("br, gzip; q=0.000", False)),
        *(("gzip;Q=0", False), ("*;q=0", False), ("gzip;q=0, *", False), ("", False), ("br", False)),
        *(("not-gzip", False), ("gzipped", False)),
    ],
)
async def test_gzip_is_sent_to_who_takes_it_and_does_not_refuse_it(
    files: httpx.AsyncClient,
    accepted: str,
    zipped: bool,  # noqa: FBT001 - a case
) -> None:
    answer = await files.get("/web/app/main.js", headers={"accept-encoding": accepted})
    assert ("content-encoding" in answer.headers) is zipped
    assert answer.text == "let steps = 0;\n" * 200


OWN = [
    "/",
    "/verify-email",
    "/web/app/main.js",
    "/web/app/icon.svg",
    "/web/missing.js",
    "/healthz",
    "/openapi.json",
    "/docs",
]


@pytest.mark.parametrize("path", OWN)
async def test_no_body_leaves_for_head(app: Transcoder, path: str) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(event: Any) -> None:
        sent.append(event)

    # Straight from the application: servers and httpx would drop a body.
    scope = {"type": "http", "method": "HEAD", "path": path, "raw_path": path.encode(), "headers": []}
    await app({**scope, "query_string": b""}, receive, send)
    assert [event["type"] for event in sent] == ["http.response.start", "http.response.body"]
    assert sent[1].get("body", b"") == b""


@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_head_is_the_headers(serve: Callable[..., Any], coding: str) -> None:
    served = await serve()
    async with httpx.AsyncClient(base_url=served.url, headers={"accept-encoding": coding}) as client:
        for path in OWN:
            got, head = await client.get(path), await client.head(path)
            assert (head.status_code, head.content) == (got.status_code, b""), path
            for name in ("etag", "content-length", "content-type", "content-encoding", "cache-control"):
                assert head.headers.get(name) == got.headers.get(name), (path, name)
            assert int(head.headers["content-length"]) > 0


@pytest.mark.parametrize("path", OWN)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PURGE"])
async def test_another_method_is_refused_as_everywhere(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/json", "no-store")
    told = answer.json()
    assert (told["code"], told["details"][0]["reason"]) == (12, "METHOD_NOT_ALLOWED")
    assert answer.headers["content-security-policy"] == STRICT
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.parametrize("path", ["/docs/", "/docs/missing.js", "/web/missing.js"])
async def test_a_file_that_is_not_there_is_told_as_everywhere(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["details"][0]["reason"]) == (404, "ROUTE_NOT_FOUND")
    assert answer.headers["content-security-policy"] == STRICT
    assert [value for name, value in answer.headers.multi_items() if name == "content-type"] == ["application/json"]


async def test_the_shipped_page_is_served(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert (answer.status_code, answer.headers["content-security-policy"]) == (200, STRICT)
    assert answer.content == (page.FOLDER / "index.html").read_bytes()


async def test_every_file_that_the_shipped_page_names_is_there(app_with: Callable[..., Transcoder]) -> None:
    named = {
        part.split('"')[0]
        for path in page.FOLDER.glob("*.html")
        for part in path.read_text().replace("src=", "href=").split('href="')[1:]
    }
    transport = httpx.ASGITransport(app_with())
    async with httpx.AsyncClient(transport=transport, base_url="http://transcoder") as client:
        for name in sorted(named):
            if name.startswith("/"):
                assert (await client.get(name)).status_code == 200, name
