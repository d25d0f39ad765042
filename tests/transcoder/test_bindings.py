from __future__ import annotations

import pytest

from tests.transcoder.descriptors import library, made
from transcoder.bindings import Compiler, RuleError
from transcoder.jsonreader import JsonReader
from transcoder.jsonwriter import JsonWriter
from transcoder.schema import Schema, SchemaError

_PROTO = """
syntax = "proto3";
package made.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/struct.proto";
message Inner { string leaf = 1; repeated Inner many = 2; }
message In {
  string a = 1; Inner b = 2; repeated string c = 3; map<string, string> d = 4; google.protobuf.Timestamp e = 5;
  google.protobuf.Struct f = 6; Inner g = 7;
}
message Out { string a = 1; repeated google.api.HttpBody pictures = 2; }
service MadeService {
  rpc Make(In) returns (Out) { option (google.api.http) = { RULE }; }
}
"""


def compiled(rule: str) -> int:
    schema = made(_PROTO.replace("RULE", rule))
    return len(Compiler(schema, JsonReader(schema), JsonWriter(schema)).routes()[1])


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        ('get: "/a/{a}"', 1),
        ('get: "/a/{b.leaf}"', 1),
        ('get: "/a/{e}"', 1),
        ('patch: "/a/{b.leaf}" body: "b"', 1),
        ('post: "/a" body: "c"', 1),
        ('get: "/a" response_body: "a"', 1),
        ('custom { kind: "REPORT" path: "/a" }', 1),
        ('get: "/a" additional_bindings { post: "/a" body: "*" } additional_bindings { get: "/b" }', 3),
    ],
)
def test_a_rule_that_can_work_is_compiled(rule: str, count: int) -> None:
    assert compiled(rule) == count


@pytest.mark.parametrize(
    "rule",
    [
        'get: "/a/{z}"',
        'get: "/a/{b.z}"',
        'get: "/a/{a.z}"',
        'get: "/a/{b}"',
        'get: "/a/{c}"',
        'get: "/a/{d}"',
        'get: "/a/{f}"',
        'get: "/a/{b.many.leaf}"',
        'get: "/a/{e.seconds}"',
        'get: "/a/{a}/{a}"',
        'get: "/a/{b={a}}"',
        'get: "/**/a"',
        'get: "a"',
        'post: "/a" body: "z"',
        'post: "/a" body: "b.leaf"',
        'patch: "/a/{a}" body: "a"',
        'get: "/a" response_body: "z"',
        'get: "/a" response_body: "pictures"',
        'body: "*"',
        'custom { path: "/a" }',
        'get: "/a/{a}" additional_bindings { get: "/a/{b.leaf}" }',
        'get: "/a" additional_bindings { get: "/b" additional_bindings { get: "/c" } }',
    ],
)
def test_a_rule_that_cannot_work_is_refused_and_its_rpc_named(rule: str) -> None:
    with pytest.raises(RuleError, match=r"made\.v1\.MadeService\.Make"):
        compiled(rule)


def test_an_rpc_without_rules_has_no_bindings() -> None:
    schema = library()
    bindings = Compiler(schema, JsonReader(schema), JsonWriter(schema)).routes()[1]
    assert "library.v1.LibraryService.Hidden" not in {each.rpc for each in bindings}


@pytest.mark.parametrize("data", [b"", b"\xff\xff", b"\x0a\x05abc"])
def test_a_file_that_is_no_descriptor_set_is_refused(data: bytes) -> None:
    with pytest.raises(SchemaError):
        Schema.from_bytes(data)


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("book.title", "title"),
        ("book.author.homeTown", "author.homeTown"),
        ("book.name", "book.name"),
        *((path, path) for path in ("book", "updateMask", "bookcase.x", "")),
    ],
)
def test_fields_are_named_as_clients_write_them_where_the_body_is_one_field(path: str, written: str) -> None:
    schema = library()
    bindings = Compiler(schema, JsonReader(schema), JsonWriter(schema)).routes()[1]
    (patch,) = [binding for binding in bindings if binding.rpc.endswith("UpdateBook")]
    assert patch.as_written(path) == written
