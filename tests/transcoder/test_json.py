"""The JSON engine: what is read and refused, and that protobuf's own json_format agrees where it is right."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transcoder.descriptors import library, new
from transcoder import jsontext
from transcoder.dynamic import Unwritable
from transcoder.errors import Problem, Reason
from transcoder.jsonreader import JsonReader, serialise
from transcoder.jsonwriter import JsonWriter
from transcoder.scalars import Refusal

_READER = JsonReader(library())
_WRITER = JsonWriter(library())


def read(value: Any) -> Any:
    book: Any = new("Book")
    _READER.message(book.DESCRIPTOR)(book, value)
    return book


def written(book: Any) -> Any:
    return _WRITER.message(book.DESCRIPTOR)(book)


def by_reference(value: Any) -> Any:
    return json_format.ParseDict(value, new("Book"), descriptor_pool=library().pool)


GOOD: list[Any] = [
    {},
    {"title": "Emma", "pages": 3, "sold": "9007199254740993", "lent": True, "color": "RED", "tags": ["a", "b"]},
    {"pages": 1e2, "sold": 5.0, "shelf": "7", "code": "18446744073709551615", "floor": -1, "serial": 1},
    {"pages": "-2147483648", "sold": -9223372036854775808, "shelf": 4294967295, "numbers": ["1", 2, 3e0]},
    {"color": 2, "colors": ["RED", 1, 7]},
    {"author": {"name": "J", "homeTown": "S", "mentor": {"home_town": "B"}}, "readers": [{}, {"name": "K"}]},
    {"ratings": {"a": 1, "": "2"}, "flags": {"true": "x", "false": "y"}, "editions": {"-1": {"name": "z"}}},
    {"printedTime": "2026-11-22T10:00:00Z"},
    {"printedTime": "2026-11-22T10:00:00.123456789+09:00"},
    {"printedTime": "0001-01-01T00:00:00Z"},
    {"printedTime": "9999-12-31T23:59:59.999999999Z"},
    {"loan": "1.5s"},
    {"loan": "-315576000000s"},
    {"loan": "0.000000001s"},
    {"mask": "title,author.homeTown"},
    {"mask": ""},
    {"mask": "*"},
    {"extra": {"a": [1, "x", None, {"b": False}], "c": 1.5}, "anything": None, "list": [[], {}]},
    {"anything": {"a": None}, "values": [None, 1, "x", []], "loose": {"a": None, "b": 2}},
    {"any": {"@type": "type.googleapis.com/library.v1.Author", "name": "J"}},
    {"any": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"}},
    {"any": {}},
    {"stock": "5", "note": "", "checked": False, "price": "NaN", "seal": "AQ=="},
    {"stock": None, "title": None, "tags": None, "author": None, "ratings": None, "printedTime": None},
    {"cover": "AQID"},
    {"cover": "-_8="},
    {"cover": "-_8"},
    {"cover": "+/8"},
    {"weight": "Infinity", "height": "-Infinity"},
    {"weight": 1e300, "height": 0.1},
    {"weight": "1e3", "height": 3},
    {"edition": 0, "room": "x"},
    {"edition": 0, "room": "", "desk": None},
    {"holder": {}},
    {"otherName": "x", "nothing": None, "times": ["2020-01-01T00:00:00Z"]},
    {"renamed": "x"},
]


@pytest.mark.parametrize("value", GOOD, ids=json.dumps)
def test_good_json_is_read_as_protobufs_own_reader_reads_it(value: Any) -> None:
    assert serialise(read(value)) == by_reference(value).SerializeToString() or read(value) == by_reference(value)


@pytest.mark.parametrize("value", GOOD, ids=json.dumps)
def test_what_is_written_is_what_protobufs_own_writer_writes(value: Any) -> None:
    book = read(value)
    reference = json_format.MessageToDict(
        book, always_print_fields_with_no_presence=True, descriptor_pool=library().pool
    )
    assert written(book) == reference
    assert read(written(book)) == book or "NaN" in json.dumps(value)


def test_maps_are_written_in_the_order_of_their_keys() -> None:
    names = [f"h{hour:02}" for hour in range(24)]
    book = written(read({"ratings": dict.fromkeys(reversed(names), 1), "editions": {"10": {}, "9": {}, "-1": {}}}))
    assert (list(book["ratings"]), list(book["editions"])) == (names, ["-1", "9", "10"])


BAD: list[tuple[Any, str]] = [
    ([], ""),
    ("x", ""),
    (None, ""),
    ({"nope": 1}, "nope"),
    ({"author": {"nope": 1}}, "author.nope"),
    ({"readers": [{}, {"nope": 1}]}, "readers[1].nope"),
    ({"author": []}, "author"),
    ({"author": ""}, "author"),
    ({"homeTown": "x", "author": 1}, "homeTown"),
    ({"otherName": "x", "renamed": "y"}, "otherName"),
    ({"printedTime": None, "printed_time": None}, "printedTime"),
    ({"room": "x", "desk": 1}, "desk"),
    ({"pages": 1.5}, "pages"),
    ({"pages": "1.5"}, "pages"),
    ({"pages": True}, "pages"),
    ({"pages": " 5"}, "pages"),
    ({"pages": "+5"}, "pages"),
    ({"pages": "1_0"}, "pages"),
    ({"pages": "٣"}, "pages"),
    ({"pages": "05"}, "pages"),
    ({"pages": ""}, "pages"),
    ({"pages": 2147483648}, "pages"),
    ({"pages": math.inf}, "pages"),
    ({"pages": "9" * 5000}, "pages"),
    ({"pages": "1e999999999"}, "pages"),
    ({"sold": "9223372036854775808"}, "sold"),
    ({"shelf": -1}, "shelf"),
    ({"lent": "true"}, "lent"),
    ({"lent": 1}, "lent"),
    ({"title": 5}, "title"),
    ({"title": "\ud800"}, "title"),
    ({"color": "GREEN"}, "color"),
    ({"color": 1.5}, "color"),
    ({"color": True}, "color"),
    ({"color": " 1 "}, "color"),
    ({"tags": "a"}, "tags"),
    ({"tags": [None]}, "tags[0]"),
    ({"colors": [None]}, "colors[0]"),
    ({"tags": {"a": 1}}, "tags"),
    ({"readers": [None]}, "readers[0]"),
    ({"ratings": []}, "ratings"),
    ({"ratings": {"a": None}}, "ratings[a]"),
    ({"ratings": {"a": "x"}}, "ratings[a]"),
    ({"flags": {"1": "x"}}, "flags[1]"),
    ({"editions": {"1.0": {}}}, "editions[1.0]"),
    ({"editions": {" 1": {}}}, "editions[ 1]"),
    ({"editions": {"1": None}}, "editions[1]"),
    ({"editions": {"0": {}, "-0": {}}}, "editions[-0]"),
    ({"printedTime": "2026-11-22t10:00:00z"}, "printedTime"),
    ({"printedTime": "2026-11-22 10:00:00Z"}, "printedTime"),
    ({"printedTime": "2026-11-22T10:00:00"}, "printedTime"),
    ({"printedTime": "2026-02-30T10:00:00Z"}, "printedTime"),
    ({"printedTime": "0000-01-01T00:00:00Z"}, "printedTime"),
    ({"printedTime": "2026-11-22T10:00:00.1234567890Z"}, "printedTime"),
    ({"printedTime": 5}, "printedTime"),
    ({"printedTime": {"seconds": 5}}, "printedTime"),
    ({"loan": "1"}, "loan"),
    ({"loan": "1.0000000001s"}, "loan"),
    ({"loan": "315576000001s"}, "loan"),
    ({"loan": 1}, "loan"),
    ({"mask": "home_town"}, "mask"),
    ({"mask": ["a"]}, "mask"),
    ({"mask": "a b"}, "mask"),
    ({"cover": "***"}, "cover"),
    ({"cover": "A"}, "cover"),
    ({"cover": "AQ="}, "cover"),
    ({"cover": "AQI=="}, "cover"),
    ({"cover": "+_8="}, "cover"),
    ({"cover": "AQ==\n"}, "cover"),
    ({"cover": 5}, "cover"),
    ({"weight": "inf"}, "weight"),
    ({"weight": "nan"}, "weight"),
    ({"weight": math.inf}, "weight"),
    ({"weight": 10**400}, "weight"),
    ({"weight": "1e400"}, "weight"),
    ({"weight": True}, "weight"),
    ({"weight": "1_0"}, "weight"),
    ({"height": 1e39}, "height"),
    ({"any": {"name": "J"}}, "any.@type"),
    ({"any": {"@type": "type.googleapis.com/no.Such"}}, "any.@type"),
    ({"any": {"@type": 5}}, "any.@type"),
    ({"any": {"@type": "x/library.v1.Author", "nope": 1}}, "any.nope"),
    ({"any": {"@type": "x/google.protobuf.Duration"}}, "any.value"),
    ({"any": []}, "any"),
    ({"extra": []}, "extra"),
    ({"extra": {"a": [math.inf]}}, "extra.a[0]"),
    ({"extra": {"\ud800": 1}}, "extra.\ud800"),
    ({"list": {}}, "list"),
    ({"stock": 1.5}, "stock"),
    ({"stock": {}}, "stock"),
]


@pytest.mark.parametrize(("value", "field"), BAD, ids=[ascii(value)[:50] for value, _ in BAD])
def test_bad_json_is_refused_with_the_path_to_it(value: Any, field: str) -> None:
    with pytest.raises(Refusal) as caught:
        read(value)
    assert caught.value.field == field


def test_a_value_that_an_enum_has_not_is_told_which_there_are() -> None:
    with pytest.raises(Refusal) as caught:
        read({"color": "GREEN"})
    assert caught.value.why == "RED or BLUE is wanted"


def test_every_fault_of_a_body_is_refused_at_once_in_canonical_names() -> None:
    value = {
        "pages": "x",
        "nope": 1,
        "author": {"home_town": 5, "nom": 1},
        "readers": [{"name": 1}, {}, None],
        "tags": [1, "a", 2],
        "ratings": {"a": "x", "b": 1, "c": "y"},
        "printed_time": 3,
        "extra": {"a": math.inf, "b_c": [math.nan]},
        "room": "x",
        "desk": 1,
    }
    with pytest.raises(Refusal) as caught:
        read(value)
    assert [each.field for each in (caught.value, *caught.value.more)] == [
        *("pages", "nope", "author.homeTown", "author.nom", "readers[0].name", "readers[2]", "tags[0]", "tags[2]"),
        *("ratings[a]", "ratings[c]", "printedTime", "extra.a", "extra.b_c[0]", "desk"),
    ]


@pytest.mark.parametrize("value", [{"tags": [1] * 9000}, {"readers": [{"a": 1, "b": 1}] * 900}])
def test_at_most_fifty_faults_are_named(value: Any) -> None:
    with pytest.raises(Refusal) as caught:
        read(value)
    assert len(caught.value.more) == 49


def test_unknown_fields_can_be_dropped() -> None:
    book: Any = new("Book")
    JsonReader(library(), ignore_unknown=True).message(book.DESCRIPTOR)(book, {"nope": 1, "title": "x"})
    assert book.title == "x"


def test_a_message_deeper_than_protobuf_carries_is_refused() -> None:
    value: Any = 1
    for _ in range(60):
        value = {"a": value}
    with pytest.raises(Refusal, match="nested"):
        serialise(read({"anything": value}))


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"{", b"{} {}", b"{'a':1}", b"{a:1}", b"[1,]", b'{"a":1,}', b"01", b".5", b"1.", b"+1", b"0x1", b"nul"),
        *(b"NaN", b"[Infinity]", b"-Infinity", b'"\x01"', b'"\xff"', b"\xef\xbb\xbf{}", b"// x\n{}", b"\xa0{}"),
        *(b'{"a":1,"a":2}', b'[{"b":{"a":1,"a":1}}]', b"[" * 100_000, b"9" * 5000, b'"\\u12"', b'"\\x"'),
        *(b"[" * 65 + b"]" * 65, b'{"a":' * 65 + b"1" + b"}" * 65),
    ],
)
def test_only_strict_json_is_taken(text: bytes) -> None:
    with pytest.raises(Problem) as caught:
        jsontext.loads(text, 64)
    assert (caught.value.http, caught.value.reason) == (400, Reason.MALFORMED_JSON)
    json.loads(caught.value.body("x"))


def test_brackets_in_strings_are_not_depth() -> None:
    assert jsontext.loads(b'["' + b"[{" * 100 + b'\\"[", {}]', 2)
    assert jsontext.loads(b"[" + b"{}," * 500 + b"{}]", 2)
    assert jsontext.loads(b"[" * 64 + b"]" * 64, 64)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = [field.json_name for field in new("Book").DESCRIPTOR.fields]


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(_FIELDS), _JSON, max_size=4))
def test_whatever_json_comes_it_is_read_or_refused_and_never_wrong(value: dict[str, Any]) -> None:
    try:
        book = read(value)
        serialise(book)
    except Refusal:
        return
    if "values" not in value or value["values"] is not None:  # json_format crashes on null for repeated Value
        assert book == by_reference(value)
    if not book.nothing:  # JSON writes null for every number of NullValue
        assert read(json.loads(jsontext.dumps(written(book)))) == book


@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda text: text.encode()))
def test_any_bytes_are_json_or_a_400(data: bytes) -> None:
    try:
        value = jsontext.loads(data, 8)
    except Problem:
        return
    assert value == json.loads(data)


@given(st.floats(width=32))
def test_floats_are_written_shortest_and_read_back(number: float) -> None:
    book = new("Book", height=number)
    again = read(json.loads(jsontext.dumps(written(book))))
    assert again.height == number or (math.isnan(number) and math.isnan(again.height))


@pytest.mark.parametrize(
    "fields",
    [
        {"any": {"type_url": "x/no.Such", "value": b"1"}},
        {"anything": {"number_value": math.nan}},
        {"loan": {"seconds": 10**12}},
    ],
)
def test_what_json_cannot_express_is_said_so(fields: dict[str, Any]) -> None:
    with pytest.raises(Unwritable):
        written(new("Book", **fields))
