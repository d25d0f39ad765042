"""The OpenAPI document: valid, complete, true to what the transcoder does; its page; changes that break clients."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.transcoder.descriptors import build, library, made
from transcoder.bindings import Binding, Compiler
from transcoder.jsonreader import JsonReader, serialise
from transcoder.jsonwriter import JsonWriter
from transcoder.openapi.document import document
from transcoder.openapi.surface import breaking
from transcoder.schema import Schema, message_class

ROOT = Path(__file__).parents[2]
API = ROOT / "firewalker" / "gen" / "api.binpb"
PUBLIC = "firewalker.option.v1.public"
VIEWER = ROOT / "transcoder" / "openapi" / "viewer"


def bindings(schema: Schema) -> list[Binding]:
    return Compiler(schema, JsonReader(schema), JsonWriter(schema)).routes()[1]


def openapi(schema: Schema) -> dict[str, Any]:
    return document(schema, bindings(schema), title="T", request_id_field="request_id", public_option=PUBLIC)


@cache
def commented() -> Schema:
    return Schema.from_bytes(build(Path(__file__).parent / "proto", source_info=True))


@cache
def of_library() -> dict[str, Any]:
    return openapi(commented())


@cache
def of_api() -> dict[str, Any]:
    return openapi(Schema.load(API))


def test_what_anybody_may_call_is_told_apart_from_what_wants_a_token() -> None:
    found = of_api()
    assert found["security"] == [{"bearer": []}]
    assert found["paths"]["/v1/auth/login"]["post"]["security"] == [{}, {"bearer": []}]
    assert "security" not in found["paths"]["/v1/users/me"]["get"]
    marked = Schema.load(API).marked(PUBLIC)
    assert marked is not None
    public = {each["description"] for each in operations(found) if "security" in each}
    assert len(public) == len(marked)
    assert all(any(f"`{name}`" in text for text in public) for name in marked)


def test_where_nothing_says_what_anybody_may_call_a_token_is_neither_wanted_nor_refused() -> None:
    assert library().marked(PUBLIC) is None
    assert of_library()["security"] == [{}, {"bearer": []}]
    assert not any("security" in operation for operation in operations(of_library()))


def operations(made: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in made["paths"].values():
        yield from item.values()


@pytest.mark.parametrize("which", [of_library, of_api])
def test_it_is_valid_openapi(which: Any) -> None:
    OpenAPIV31SpecValidator(which()).validate()


def test_every_rule_of_the_api_has_its_operation() -> None:
    found = [operation["description"].rpartition("`")[0].rpartition("`")[2] for operation in operations(of_api())]
    assert sorted(found) == sorted(binding.rpc for binding in bindings(Schema.load(API)))


def test_every_operation_of_the_api_tells_what_it_is_and_is_named_once() -> None:
    found = list(operations(of_api()))
    assert len({operation["operationId"] for operation in found}) == len(found)
    assert [operation["operationId"] for operation in found if not operation["summary"].endswith((".", ":"))] == []


def test_reasons_come_from_the_comments_those_of_other_methods_included() -> None:
    sign_up = of_api()["paths"]["/v1/auth/signup"]["post"]
    assert {"EMAIL_TAKEN", "NICKNAME_TAKEN", "OVERLOADED", "INVALID_REQUEST"} <= set(sign_up["x-error-reasons"])
    assert "- `OVERLOADED`: the password lane is full" in sign_up["description"]
    watch = of_api()["paths"]["/v1/leaderboards/friends:watch"]["get"]
    assert {"DATE_OUT_OF_RANGE", "SESSION_REVOKED"} <= set(watch["x-error-reasons"])
    assert "Faults:" not in json.dumps(of_api())


def resolved(schema: dict[str, Any], within: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = within["components"]["schemas"][name] if name else schema
    return found


def validator(schema: dict[str, Any], within: dict[str, Any]) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({**schema, "components": within["components"]})


@pytest.mark.parametrize("which", [of_library, of_api])
def test_examples_are_what_their_schemas_say(which: Any) -> None:
    whole = which()
    found = []
    for operation in operations(whole):
        for part in (operation.get("requestBody", {}), *operation["responses"].values()):
            found += [media for media in part.get("content", {}).values() if "example" in media]
    assert found
    for media in found:
        validator(media["schema"], whole).validate(media["example"])


def test_examples_of_requests_are_read_by_the_transcoder() -> None:
    schema = Schema.load(API)
    of_rpc = {binding.rpc: binding for binding in bindings(schema)}
    reader = JsonReader(schema)
    read = 0
    for operation in operations(of_api()):
        binding = of_rpc[re.findall(r"RPC: `([^`]+)`", operation["description"])[0]]
        media = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if media is None or binding.body is None:
            continue
        field = binding.body.field
        descriptor = binding.input if field is None else field.message_type
        if descriptor is not None:
            message = message_class(descriptor)()
            reader.message(descriptor)(message, media["example"])
            serialise(message)
            read += 1
    assert read >= 3


def test_what_an_answer_holds_is_what_its_schema_says() -> None:
    schema = commented()
    whole = of_library()
    book = message_class(schema.pool.FindMessageTypeByName("library.v1.Book"))
    answers = {
        "empty": book(),
        "full": book(
            title="t", sold=2**60, color=2, tags=["a"], weight=float("nan"), cover=b"x", room="r", ratings={"a": 1}
        ),
    }
    write = JsonWriter(schema).message(schema.pool.FindMessageTypeByName("library.v1.Book"))
    for message in answers.values():
        validator({"$ref": "#/components/schemas/library.v1.Book"}, whole).validate(write(message))


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ({"title": "x", "sold": "5", "color": "RED", "printedTime": "2026-01-01T00:00:00Z", "stock": None}, True),
        ({"nope": 1}, False),
        ({"room": "x", "desk": 1}, False),
        ({"pages": 2**31}, False),
        ({"color": "GREEN"}, False),
        ({"sold": "x"}, False),
    ],
)
def test_a_requests_schema_takes_what_the_transcoder_takes(value: Any, *, good: bool) -> None:
    found = validator({"$ref": "#/components/schemas/library.v1.Book.Input"}, of_library())
    assert found.is_valid(value) is good


def test_paths_parameters_and_bodies_follow_the_rules() -> None:
    paths = of_library()["paths"]
    assert set(paths["/v1/echo"]) == {"get", "post"}  # PURGE is no method that OpenAPI 3.1 knows
    assert [p["name"] for p in paths["/v1/shelves/{name_1}/books/{name_2}"]["get"]["parameters"]][:2] == [
        *("name_1", "name_2")
    ]
    patch = paths["/v1/books/{name}"]["patch"]
    where = {(p["name"], p["in"]) for p in patch["parameters"]}
    assert where == {("name", "path"), ("updateMask", "query"), ("validateOnly", "query")}
    body = patch["requestBody"]["content"]["application/json"]["schema"]
    assert "title" in body["properties"]
    assert "name" not in body["properties"]
    assert paths["/v1/books/{name}:rate"]["post"]["requestBody"]["content"]["application/json"]["schema"]["type"] == (
        "array"
    )
    echo = {p["name"]: p["schema"] for p in paths["/v1/echo"]["get"]["parameters"]}
    assert echo["tags"] == {"type": "array", "items": {"type": "string"}}
    assert "author.homeTown" in echo
    assert not {"ratings", "readers", "extra", "any"} & set(echo)
    assert set(paths["/v1/sum"]["post"]["requestBody"]["content"]) == {"application/json", "application/x-ndjson"}
    watch = paths["/v1/ticks:watch"]["get"]["responses"]["200"]
    assert set(watch["content"]) == {"text/event-stream", "application/x-ndjson"}
    assert set(paths["/v1/picture"]["get"]["responses"]["200"]["content"]) == {"*/*"}
    key = [p for p in paths["/v1/orders"]["post"]["parameters"] if p["in"] == "header"]
    assert [p["name"] for p in key] == ["Idempotency-Key"]


async def test_it_is_served_with_an_etag(client: httpx.AsyncClient) -> None:
    response = await client.get("/openapi.json")
    assert response.headers["content-type"] == "application/json"
    assert response.json()["openapi"] == "3.1.0"
    again = await client.get("/openapi.json", headers={"if-none-match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_the_page_needs_no_other_host(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["connect-src"]) == ("'none'", "'self'", "'self'")
    assert "unsafe" not in page.headers["content-security-policy"]
    needed = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(needed) == 6
    for url in needed:
        response = await client.get(url)
        assert response.status_code == 200, url
        assert url.startswith("/")
        assert response.headers["x-content-type-options"] == "nosniff"
    assert not re.findall(r"<script(?![^>]*src=)|<style|\son\w+=", page.text)
    assert (await client.get("/docs/nope.js")).status_code == 404
    assert (await client.get("/docs/..%2Fpages.py")).status_code == 404


def test_the_viewer_is_the_one_that_its_page_names() -> None:
    told = (VIEWER / "README.md").read_text()
    for name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert hashlib.sha256((VIEWER / name).read_bytes()).hexdigest() in told


SERVICE = """syntax = "proto3"; package made.v1; import "google/api/annotations.proto";
message M {{ string a = 1; string b = 2; M c = 3; repeated string d = 4; }}
service S {{
  rpc One(M) returns (M) {{ option (google.api.http) = {{ {one} }}; }}
  rpc Two(M) returns (M) {{ option (google.api.http) = {{ {two} }}; }}
}}"""


@cache
def revision(one: str, two: str) -> Schema:
    return made(SERVICE.format(one=one, two=two))


OLD = ('get: "/v1/x/{a}" additional_bindings { post: "/v1/y" body: "c" response_body: "d" }', 'get: "/v1/z"')


@pytest.mark.parametrize(
    ("one", "two", "told"),
    [
        (OLD[0], OLD[1], []),
        (OLD[0], 'get: "/v1/z" additional_bindings { get: "/v1/new" }', []),
        (OLD[0].replace("/y", "/w"), OLD[1], ["POST /v1/y (made.v1.S.One) is gone"]),
        (OLD[0].replace("post", "put"), OLD[1], ["POST /v1/y (made.v1.S.One) is gone"]),
        (OLD[0].replace("{a}", "{b}"), OLD[1], ["GET /v1/x/* fills b from its path, not a"]),
        (
            OLD[0].replace('body: "c"', 'body: "*"'),
            OLD[1],
            ["POST /v1/y takes the whole request as body, not c as body"],
        ),
        (
            OLD[0].replace(' response_body: "d"', ""),
            OLD[1],
            ["POST /v1/y answers with the whole message, not with d"],
        ),
        ('get: "/v1/z"', OLD[0].replace("/v1/x/{a}", "/v1/x/{a}"), None),
    ],
)
def test_changes_that_break_clients_are_told(one: str, two: str, told: list[str] | None) -> None:
    found = list(breaking(revision(*OLD), revision(one, two)))
    if told is None:
        assert "GET /v1/z leads to made.v1.S.One, not to made.v1.S.Two" in found
        assert len(found) == 3
    else:
        assert found == told


def test_a_method_that_loses_its_call_by_get_breaks_clients() -> None:
    text, two = SERVICE.format(one=OLD[0], two=OLD[1]), "rpc Two(M) returns (M) {"
    plain, safe = made(text), made(text.replace(two, two + " option idempotency_level = NO_SIDE_EFFECTS;"))
    assert list(breaking(plain, safe)) == []
    assert list(breaking(safe, plain)) == ["made.v1.S.Two cannot be called by GET any more"]


def test_the_command_fails_on_breaking_changes(tmp_path: Path) -> None:
    paths = []
    for name, rule in (("old", 'get: "/v1/x"'), ("new", 'get: "/v1/y"')):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "m.proto").write_text(SERVICE.format(one=rule, two=OLD[1]))
        paths.append(tmp_path / f"{name}.binpb")
        paths[-1].write_bytes(build(folder))
    command = [sys.executable, "-m", "transcoder", "check-breaking"]
    done = subprocess.run([*command, *paths], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert (done.returncode, done.stderr) == (1, "GET /v1/x (made.v1.S.One) is gone\n")


def test_documents_do_not_share_state() -> None:
    before = copy.deepcopy(of_library())
    openapi(library())
    assert of_library() == before
