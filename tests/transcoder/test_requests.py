"""The table of choices: how path, query and body become a message, and what is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.transcoder.conftest import client_of
from tests.transcoder.library_server import Library
from transcoder.app import Transcoder

JSON = {"content-type": "application/json"}


def reason(response: httpx.Response) -> str:
    body = response.json()
    assert response.headers["content-type"] == "application/json"
    assert isinstance(body["message"], str)
    return str(body["details"][0]["reason"])


def field(response: httpx.Response) -> str:
    return str(response.json()["details"][1]["fieldViolations"][0]["field"])


async def echoed(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    response = await client.get(url)
    assert response.status_code == 200, response.text
    book: dict[str, Any] = response.json()["book"]
    return book


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


def violations(response: httpx.Response) -> list[tuple[str, str]]:
    assert response.status_code == 400
    return [(each["field"], each["reason"]) for each in response.json()["details"][1]["fieldViolations"]]


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
    assert [name for name, _ in violations(response)] == ["book.name", "book.sold", "updateMask", "nope"]


async def test_one_answer_names_at_most_fifty_faults(client: httpx.AsyncClient) -> None:
    query = "&".join(f"q{number}=1" for number in range(200))
    assert len(violations(await client.get("/v1/echo?" + query))) == 50
    assert len(violations(await client.post("/v1/books", json={f"q{number}": 1 for number in range(200)}))) == 50


async def test_an_unknown_json_field_can_be_ignored_by_configuration(app_with: Callable[..., Transcoder]) -> None:
    async with client_of(app_with(ignore_unknown_fields=True)) as client:
        assert (await client.post("/v1/books", json={"nope": 1, "title": "x"})).json()["title"] == "x"


async def test_an_unknown_query_parameter_is_a_400_that_names_it(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/echo?titel=x")
    assert (response.status_code, reason(response)) == (400, "UNKNOWN_QUERY_PARAMETER")
    assert field(response) == "titel"


async def test_ignored_query_parameters_are_ignored_everywhere(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/echo?key=1&alt=json&utm_source=x&title=t")).json()["book"]["title"] == "t"
    assert (await client.post("/v1/books?utm_campaign=x", json={})).status_code == 200


async def test_a_query_parameter_for_a_path_bound_field_is_a_400(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/books/a?name=b")
    assert (response.status_code, field(response)) == (400, "name")


async def test_a_query_parameter_beside_a_whole_body_is_a_400(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/books?title=x", json={})
    assert (response.status_code, reason(response)) == (400, "UNKNOWN_QUERY_PARAMETER")


async def test_a_query_parameter_for_the_body_field_is_a_400(client: httpx.AsyncClient) -> None:
    assert (await client.patch("/v1/books/a?book.title=x", json={})).status_code == 400


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


async def test_a_singular_field_twice_in_the_query_is_a_400(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/echo?title=a&title=b")).status_code == 400
    assert (await client.get("/v1/echo?author.homeTown=a&author.home_town=b")).status_code == 400


async def test_two_members_of_a_oneof_in_the_query_are_a_400(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/echo?room=a&desk=1")
    assert (response.status_code, field(response)) == (400, "desk")


async def test_a_repeated_field_is_repeated_in_the_query(client: httpx.AsyncClient) -> None:
    book = await echoed(client, "/v1/echo?tags=a&tags=b%2Cc&numbers=1&numbers=-2&colors=RED&colors=2")
    assert (book["tags"], book["numbers"], book["colors"]) == (["a", "b,c"], ["1", "-2"], ["RED", "BLUE"])


async def test_plus_is_a_space_in_the_query_and_itself_in_the_path(client: httpx.AsyncClient) -> None:
    assert (await echoed(client, "/v1/echo?title=a+b%2Bc"))["title"] == "a b+c"
    assert (await client.get("/v1/books/a+b")).json()["name"] == "a+b"


@pytest.mark.parametrize("query", ["title=%zz", "title=%", "title=%ff", "%C3=1", "ti%tle=1"])
async def test_broken_encoding_in_the_query_is_a_400(client: httpx.AsyncClient, query: str) -> None:
    response = await client.send(raw(client, b"/v1/echo?" + query.encode()))
    assert (response.status_code, reason(response)) == (400, "MALFORMED_QUERY")


@pytest.mark.parametrize("path", [b"/v1/books/%zz", b"/v1/books/%ff", b"/v1/books/%"])
async def test_broken_encoding_in_the_path_is_a_400(client: httpx.AsyncClient, path: bytes) -> None:
    response = await client.send(raw(client, path))
    assert (response.status_code, reason(response)) == (400, "MALFORMED_PATH")


def raw(client: httpx.AsyncClient, target: bytes) -> httpx.Request:
    """A request whose target httpx does not normalise."""
    request = client.build_request("GET", "/")
    request.url = _RawUrl(target)
    return request


class _RawUrl(httpx.URL):
    def __init__(self, target: bytes) -> None:
        super().__init__("http://transcoder/")
        self._target = target

    @property
    def raw_path(self) -> bytes:
        return self._target

    @property
    def path(self) -> str:
        return self._target.partition(b"?")[0].decode("latin-1")

    @property
    def query(self) -> bytes:
        return self._target.partition(b"?")[2]


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


@pytest.mark.parametrize(
    "query",
    [
        *("ratings=1", "ratings.a=1", "author=x", "readers=x", "readers.name=x", "extra.a=1", "anything=1", "any=1"),
        *("printedTime.seconds=5", "stock.value=1", "title.x=1", "=1", ".=1", "title.=1", "author..name=x"),
        "author." + "mentor." * 70 + "name=x",
    ],
)
async def test_what_has_no_textual_form_is_unknown_in_the_query(client: httpx.AsyncClient, query: str) -> None:
    response = await client.get("/v1/echo?" + query)
    assert (response.status_code, reason(response)) == (400, "UNKNOWN_QUERY_PARAMETER")


@pytest.mark.parametrize(
    ("query", "name", "value"),
    [
        ("mask=title,author.homeTown", "mask", "title,author.homeTown"),
        ("mask=author.home_town", "mask", "author.homeTown"),
        ("mask=*", "mask", "*"),
        ("loan=1.5s", "loan", "1.500s"),
        ("printedTime=2026-01-01T00:00:00%2B09:00", "printedTime", "2025-12-31T15:00:00Z"),
        ("lent=true", "lent", True),
        ("lent=1", "lent", True),
        ("lent=0", "lent", False),
        ("color=BLUE", "color", "BLUE"),
        ("color=2", "color", "BLUE"),
        ("stock=5", "stock", "5"),
        ("note=x", "note", "x"),
        ("checked=false", "checked", False),
        ("cover=AQID", "cover", "AQID"),
        ("weight=1e2", "weight", 100.0),
        ("weight=NaN", "weight", "NaN"),
        ("author.mentor.homeTown=x", "author", {"name": "", "homeTown": "", "mentor": {"name": "", "homeTown": "x"}}),
        ("otherName=x", "otherName", "x"),
        ("renamed=x", "otherName", "x"),
        ("title=", "title", ""),
        ("title", "title", ""),
        ("&&title=a&", "title", "a"),
        ("title=a=b;c", "title", "a=b;c"),
    ],
)
async def test_text_becomes_a_value_in_the_query(client: httpx.AsyncClient, query: str, name: str, value: Any) -> None:
    assert (await echoed(client, "/v1/echo?" + query))[name] == value


@pytest.mark.parametrize(
    "query",
    [
        *("lent=yes", "lent=True", "lent=", "color=9", "color=GREEN", "color=red", "pages=1.5", "pages=", "pages=+1"),
        *(
            "loan=1",
            "loan=x",
            "printedTime=5",
            "printedTime=2026-01-01",
            "mask=a b",
            "mask=*,a",
            "cover=***",
            "weight=inf",
        ),
        *("pages=2147483648", "stock=x", "pages=%D9%A3", "weight=1e400"),
    ],
)
async def test_a_wrong_value_in_the_query_is_a_400_that_names_it(client: httpx.AsyncClient, query: str) -> None:
    response = await client.get("/v1/echo?" + query)
    assert (response.status_code, reason(response)) == (400, "INVALID_FIELD")
    assert field(response) == query.partition("=")[0]


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


async def test_a_gzip_body_is_decoded_under_the_size_cap(app_with: Callable[..., Transcoder]) -> None:
    async with client_of(app_with(max_request_bytes=1000)) as client:

        async def post(body: bytes, encoding: str = "gzip") -> httpx.Response:
            return await client.post("/v1/books", content=body, headers={**JSON, "content-encoding": encoding})

        packed = gzip.compress(b'{"title":"x"}')
        assert (await post(packed)).json()["title"] == "x"
        bomb = await post(gzip.compress(b'{"title":"' + b"x" * 100_000 + b'"}'))
        assert (bomb.status_code, reason(bomb)) == (413, "REQUEST_TOO_LARGE")
        for broken in (packed[:-4], packed + b"x", b"{}", b"\x1f\x8b"):
            response = await post(broken)
            assert (response.status_code, reason(response)) == (400, "MALFORMED_BODY")
        other = await post(b"x", "br")
        assert (other.status_code, other.headers["accept-encoding"]) == (415, "gzip")


async def test_a_request_above_the_cap_is_a_413(app_with: Callable[..., Transcoder]) -> None:
    async def chunks() -> Any:
        for _ in range(100):
            yield b" " * 50

    async with client_of(app_with(max_request_bytes=1000)) as client:
        for content in (b" " * 1001, chunks()):
            response = await client.post("/v1/books", content=content, headers=JSON)
            assert (response.status_code, reason(response), response.json()["code"]) == (413, "REQUEST_TOO_LARGE", 8)
        assert (await client.post("/v1/books", content=b" " * 1000, headers=JSON)).status_code == 200


async def test_an_answer_above_the_cap_is_resource_exhausted(app_with: Callable[..., Transcoder]) -> None:
    async with client_of(app_with(max_response_bytes=1000)) as client:
        response = await client.post("/v1/books", json={"title": "x" * 1000})
        assert (reason(response), response.json()["code"]) == ("RESPONSE_TOO_LARGE", 8)
        assert (await client.post("/v1/books", json={"title": "x"})).status_code == 200


async def test_large_messages_pass_both_ways(client: httpx.AsyncClient) -> None:
    title = "x" * 1_000_000
    assert (await client.post("/v1/books", json={"title": title})).json()["title"] == title


async def test_json_nested_deeper_than_64_is_a_400(client: httpx.AsyncClient) -> None:
    deep = b'{"author":' + b'{"mentor":' * 64 + b"{}" + b"}" * 65
    response = await client.post("/v1/books", content=deep, headers=JSON)
    assert (response.status_code, reason(response)) == (400, "MALFORMED_JSON")


async def test_json_too_deep_for_protobuf_is_a_400(client: httpx.AsyncClient) -> None:
    value: Any = 1
    for _ in range(50):
        value = {"a": value}
    response = await client.post("/v1/books", json={"extra": value})
    assert (response.status_code, reason(response)) == (400, "INVALID_FIELD")


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"5", b"true"])
async def test_a_message_must_be_an_object(client: httpx.AsyncClient, body: bytes) -> None:
    assert (await client.post("/v1/books", content=body, headers=JSON)).status_code == 400


async def test_hostile_names_are_quoted_back_short_and_valid(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/books", content=b'{"\\ud800' + b"x" * 100_000 + b'":1}', headers=JSON)
    assert response.status_code == 400
    assert len(response.content) < 2000
    json.loads(response.content)


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


async def test_only_allowed_headers_travel_on(client: httpx.AsyncClient) -> None:
    headers = {
        "authorization": "Bearer t",
        "idempotency-key": "k",
        "x-request-id": "abc-1",
        "x-forwarded-for": "198.51.100.1",
        "cookie": "secret=1",
        "x-other": "1",
        "grpc-trace-bin": "AQ",
    }
    response = await client.get("/v1/echo", headers=headers)
    seen = [each for each in response.json()["metadata"] if not each.startswith("deadline=")]
    assert sorted(seen) == [
        "authorization=Bearer t",
        "idempotency-key=k",
        "x-forwarded-for=198.51.100.1, 192.0.2.7",
        "x-request-id=abc-1",
    ]


async def test_only_allowed_metadata_comes_back(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/echo")
    assert response.headers["etag"] == "abc"
    assert not {"x-secret", "thing-bin"} & set(response.headers)
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("given", ["", "a b", "x" * 200, "é".encode().decode("latin-1")])
async def test_an_implausible_request_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    response = await client.get("/v1/nope", headers=[(b"x-request-id", given.encode("latin-1"))])
    assert len(response.headers["x-request-id"]) == 32


async def test_a_header_that_grpc_cannot_carry_is_a_400(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/echo", headers=[(b"authorization", b"Bearer \xe9")])
    assert (response.status_code, reason(response), field(response)) == (400, "INVALID_HEADER", "authorization")


@pytest.mark.parametrize("given", ["5", "5s", "123456789S", "-1S", "1.5S", "S", "5 S", "\xd9\xa1S"])
async def test_a_broken_grpc_timeout_is_a_400(client: httpx.AsyncClient, given: str) -> None:
    response = await client.get("/v1/echo", headers=[(b"grpc-timeout", given.encode("latin-1"))])
    assert (response.status_code, reason(response)) == (400, "INVALID_HEADER")


@pytest.mark.parametrize(("given", "least", "most"), [("500m", 0.3, 0.5), ("99999999H", 29, 30), (None, 9, 10)])
async def test_the_deadline_travels_on_capped(
    client: httpx.AsyncClient, given: str | None, least: float, most: float
) -> None:
    response = await client.get("/v1/echo", headers={} if given is None else {"grpc-timeout": given})
    (deadline,) = [each for each in response.json()["metadata"] if each.startswith("deadline=")]
    assert least < float(deadline.removeprefix("deadline=")) <= most


async def test_a_missed_deadline_is_a_504_and_cancels_the_call(client: httpx.AsyncClient, backend: Library) -> None:
    response = await client.get("/v1/slow?wait_ms=5000", headers={"grpc-timeout": "100m"})
    assert (response.status_code, response.json()["code"]) == (504, 4)
    assert (await client.get("/v1/slow", headers={"grpc-timeout": "0S"})).status_code == 504
    await backend.cancelled.wait()
