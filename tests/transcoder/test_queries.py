"""The table of choices: what a query may say, and what is refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.transcoder.answers import echoed, field, raw, reason


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
