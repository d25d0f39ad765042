"""The table of choices: how path and body become a message, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from tests.transcoder.answers import field, raw, reason, violations
from tests.transcoder.conftest import client_of
from transcoder.app import Transcoder

JSON = {"content-type": "application/json"}


async def test_fields_with_default_values_are_written_out(client: httpx.AsyncClient) -> None:
    book = (await client.post("/v1/books", json={})).json()
    assert (book["title"], book["pages"], book["sold"], book["tags"], book["color"]) == (
        "",
        0,
        "0",
        [],
        "COLOR_UNSPECIFIED",
    )
    assert "author" not in book
    assert "edition" not in book


async def test_an_unknown_json_field_is_a_400_that_names_it(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/books", json={"author": {"nam": "x"}})
    assert (response.status_code, reason(response), field(response)) == (400, "INVALID_FIELD", "author.nam")


async def test_one_answer_names_every_fault_of_body_path_and_query(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/books", json={"pages": "x", "nope": 1, "author": {"home_town": 1}})
    assert violations(response) == [
        *(("pages", "INVALID_FIELD"), ("nope", "INVALID_FIELD"), ("author.homeTown", "INVALID_FIELD"))
    ]
    assert response.json()["message"].endswith("(and 2 more)")
    response = await client.get("/v1/echo?pages=x&author.home_town=a&author.homeTown=b&nope=1&lent=maybe&key=1")
    assert violations(response) == [
        *(("pages", "INVALID_FIELD"), ("author.homeTown", "INVALID_FIELD")),
        *(("nope", "UNKNOWN_QUERY_PARAMETER"), ("lent", "INVALID_FIELD")),
    ]
    response = await client.post("/v1/echo/x/no/RED/0:typed?nope=1")
    assert [name for name, _ in violations(response)] == ["pages", "lent", "printedTime", "nope"]
    response = await client.patch("/v1/books/a?update_mask=-&nope=1", json={"name": 5, "sold": "x"})
    assert [name for name, _ in violations(response)] == ["book.name", "sold", "updateMask", "nope"]


async def test_one_answer_names_at_most_fifty_faults(client: httpx.AsyncClient) -> None:
    query = "&".join(f"q{number}=1" for number in range(200))
    assert len(violations(await client.get("/v1/echo?" + query))) == 50
    assert len(violations(await client.post("/v1/books", json={f"q{number}": 1 for number in range(200)}))) == 50


async def test_an_unknown_json_field_can_be_ignored_by_configuration(app_with: Callable[..., Transcoder]) -> None:
    async with client_of(app_with(ignore_unknown_fields=True)) as client:
        assert (await client.post("/v1/books", json={"nope": 1, "title": "x"})).json()["title"] == "x"


async def test_a_path_value_may_be_repeated_in_the_body_but_not_contradicted(client: httpx.AsyncClient) -> None:
    assert (await client.put("/v1/echo/a", json={"title": "t"})).json()["book"]["name"] == "a"
    assert (await client.put("/v1/echo/a", json={"name": "a"})).json()["book"]["name"] == "a"
    assert (await client.put("/v1/echo/a", json={"name": None})).json()["book"]["name"] == "a"
    for other in ("b", ""):
        response = await client.put("/v1/echo/a", json={"name": other})
        assert (response.status_code, field(response)) == (400, "name")
    assert (await client.patch("/v1/books/a", json={"name": "b"})).status_code == 400


async def test_a_patch_takes_the_resource_as_body_and_the_mask_as_query(client: httpx.AsyncClient) -> None:
    for mask in ("title,author.homeTown", "title,author.home_town"):
        response = await client.patch(f"/v1/books/b1?updateMask={mask}&validate_only=true", json={"title": "t"})
        answer = response.json()
        assert (answer["book"]["name"], answer["book"]["title"]) == ("b1", "t")
        assert (answer["updateMask"], answer["validateOnly"]) == ("title,author.homeTown", True)


async def test_a_body_where_the_rule_has_none_is_a_400(client: httpx.AsyncClient) -> None:
    response = await client.request("GET", "/v1/echo", content=b"{}", headers=JSON)
    assert (response.status_code, reason(response)) == (400, "UNEXPECTED_BODY")
    assert (await client.request("GET", "/v1/echo", content=b"", headers=JSON)).status_code == 200


async def test_an_empty_body_is_an_empty_message(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/books")).status_code == 200
    assert (await client.post("/v1/books", content=b"  \n", headers=JSON)).status_code == 200
    assert (await client.patch("/v1/books/a")).json()["book"]["name"] == "a"


@pytest.mark.parametrize("path", [b"/v1/books/%zz", b"/v1/books/%ff", b"/v1/books/%"])
async def test_broken_encoding_in_the_path_is_a_400(client: httpx.AsyncClient, path: bytes) -> None:
    response = await client.send(raw(client, path))
    assert (response.status_code, reason(response)) == (400, "MALFORMED_PATH")


async def test_an_encoded_slash_is_decoded_after_matching(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/books/a%2Fb")).json()["name"] == "a/b"
    assert (await client.get("/v1/shelves/1/books/a%2Fb%20c")).json()["name"] == "shelves/1/books/a%2Fb c"
    assert (await client.get("/v1/files/a/b%2Fc")).json()["name"] == "a/b%2Fc"


async def test_a_trailing_slash_is_a_404(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/titles/")
    assert (response.status_code, reason(response), response.json()["code"]) == (404, "ROUTE_NOT_FOUND", 5)


async def test_a_known_path_with_another_method_is_a_405_with_allow(client: httpx.AsyncClient) -> None:
    response = await client.delete("/v1/echo")
    assert (response.status_code, response.json()["code"]) == (405, 12)
    assert response.headers["allow"] == "GET, HEAD, POST, PURGE"
    assert (await client.options("/v1/echo")).status_code == 405


async def test_a_custom_method_is_routed(client: httpx.AsyncClient) -> None:
    assert (await client.request("PURGE", "/v1/echo")).status_code == 200


async def test_method_override_headers_mean_nothing(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/titles", headers={"x-http-method-override": "DELETE"})
    assert response.status_code == 200


async def test_head_answers_as_get_without_a_body(client: httpx.AsyncClient) -> None:
    full = await client.get("/v1/titles")
    head = await client.head("/v1/titles")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == full.headers["content-length"]
    assert (await client.head("/v1/nope")).status_code == 404


async def test_response_body_is_the_named_field(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/titles")).json() == ["Emma", "Kim"]


async def test_http_body_is_passed_as_it_is_both_ways(client: httpx.AsyncClient) -> None:
    picture = await client.get("/v1/picture")
    assert (picture.content, picture.headers["content-type"]) == (b"<svg/>", "image/svg+xml")
    content = bytes(range(256))
    answer = await client.put("/v1/files/a.bin", content=content, headers={"content-type": "x/y; z=1"})
    assert (answer.content, answer.headers["content-type"]) == (content, "x/y; z=1")


async def test_a_body_field_may_be_repeated_or_a_scalar(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/books/a:rate?comment=c", json=[1, "2"])).json() == {
        "name": "a",
        "stars": [1, 2],
        "comment": "c",
    }
    assert (await client.post("/v1/books/a:comment?stars=5", json="abc")).json()["comment"] == "abc"
    response = await client.post("/v1/books/a:rate", json=[1, "x"])
    assert (response.status_code, field(response)) == (400, "stars[1]")


async def test_path_values_are_typed(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/echo/5/true/RED/2026-01-01T00:00:00Z:typed")
    book = response.json()["book"]
    assert (book["pages"], book["lent"], book["color"], book["printedTime"]) == (5, True, "RED", "2026-01-01T00:00:00Z")
    response = await client.post("/v1/echo/x/true/RED/2026-01-01T00:00:00Z:typed")
    assert (response.status_code, field(response)) == (400, "pages")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=UTF-8", 200),
        ('application/json;charset="utf-8"', 200),
        ("application/json; charset=latin1", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/x-ndjson", 415),
        ("", 415),
    ],
)
async def test_only_json_is_a_body(client: httpx.AsyncClient, kind: str, status: int) -> None:
    response = await client.post("/v1/books", content=b"{}", headers={"content-type": kind} if kind else {})
    assert response.status_code == status
    if status == 415:
        assert (reason(response), response.json()["code"]) == ("UNSUPPORTED_CONTENT_TYPE", 3)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"5", b"true"])
async def test_a_message_must_be_an_object(client: httpx.AsyncClient, body: bytes) -> None:
    assert (await client.post("/v1/books", content=body, headers=JSON)).status_code == 400


async def test_a_client_stream_is_an_array_or_lines(client: httpx.AsyncClient) -> None:
    lines = b'{"waitMs":1}\n\n{"waitMs":2}\r\n'
    headers = {"content-type": "application/x-ndjson"}
    assert (await client.post("/v1/sum", content=lines, headers=headers)).json() == {"count": 2, "total": "3"}
    assert (await client.post("/v1/sum", json=[{"waitMs": 1}] * 3)).json() == {"count": 3, "total": "3"}
    assert (await client.post("/v1/sum", json=[])).json() == {"count": 0, "total": "0"}
    assert (await client.post("/v1/sum", json={})).status_code == 400
    assert (await client.post("/v1/sum", content=b"{}\n{", headers=headers)).status_code == 400


async def test_a_bidirectional_stream_is_a_501_with_a_reason(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/chat", json=[])
    assert (response.status_code, reason(response), response.json()["code"]) == (501, "GRPC_ONLY", 12)
