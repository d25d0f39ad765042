"""Requests on which the two should agree, and those on which they differ, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """A request; *differs* is why the answers are not the same, where they are not."""

    method: str
    target: str
    body: Any = None
    differs: str = ""


AGREE = [
    Case("GET", "/v1/books/a"),
    Case("GET", "/v1/books/a?like.title=x&like.pages=5"),
    Case("GET", "/v1/books/special?name=n"),
    Case("GET", "/v1/shelves/1/books/2"),
    Case("GET", "/v1/shelves/1/books/a%20b"),
    Case("GET", "/v1/files/a/b/c"),
    Case("GET", "/v1/find?name=n&like.author.homeTown=x"),
    Case("GET", "/v1/find?like.author.home_town=x"),
    Case("GET", "/v1/find?nope=1"),
    Case("GET", "/v1/nope"),
    Case("GET", "/v1/echo?tags=a&tags=b&numbers=1&numbers=2"),
    Case("GET", "/v1/echo?title=a%20b%2Bc"),
    Case("GET", "/v1/echo?lent=true&color=RED&weight=1.5"),
    Case("GET", "/v1/echo?color=2"),
    Case("GET", "/v1/echo?sold=9007199254740993"),
    Case("GET", "/v1/echo?loan=1.5s"),
    Case("GET", "/v1/echo?printedTime=2026-01-01T00:00:00Z"),
    Case("GET", "/v1/echo?mask=title,author.homeTown"),
    Case("GET", "/v1/echo?stock=5&note=x"),
    Case("GET", "/v1/echo?pages=x"),
    Case("GET", "/v1/echo?pages=2147483648"),
    Case("GET", "/v1/echo?lent=maybe"),
    Case("GET", "/v1/echo?color=GREEN"),
    Case("POST", "/v1/books", {}),
    Case("POST", "/v1/books", {"title": "Emma", "pages": 3, "sold": "7", "lent": True, "color": "RED", "tags": ["a"]}),
    Case("POST", "/v1/books", {"author": {"name": "J", "homeTown": "S", "mentor": {"home_town": "B"}}}),
    Case("POST", "/v1/books", {"ratings": {"a": 1}, "flags": {"true": "x"}, "editions": {"-1": {"name": "z"}}}),
    Case("POST", "/v1/books", {"printedTime": "2026-11-22T10:00:00.123Z", "loan": "1.500s", "mask": "title"}),
    Case("POST", "/v1/books", {"extra": {"a": [1, "x", None, {"b": False}]}, "list": [[], {}], "anything": {"a": 1}}),
    Case("POST", "/v1/books", {"stock": "5", "note": "", "checked": False, "price": 1.5, "seal": "AQ=="}),
    Case("POST", "/v1/books", {"cover": "AQID", "weight": "Infinity", "height": 0.5}),
    Case("POST", "/v1/books", {"otherName": "x", "room": "r", "edition": 0}),
    Case("POST", "/v1/books", {"any": {"@type": "type.googleapis.com/library.v1.Author", "name": "J", "homeTown": ""}}),
    Case("POST", "/v1/books", {"title": 5}),
    Case("POST", "/v1/books", {"pages": 1.5}),
    Case("GET", "/v1/books/a%2Fb"),
    Case("POST", "/v1/books", {"author": []}),
    Case("POST", "/v1/books", {"color": "GREEN"}),
    Case("POST", "/v1/books", {"room": "x", "desk": 1}),
    Case("POST", "/v1/books", "{"),
    Case("POST", "/v1/books", "[]"),
    Case("PATCH", "/v1/books/b1?updateMask=title&validateOnly=true", {"title": "t"}),
    Case("PATCH", "/v1/books/b1?update_mask=author.home_town", {"title": "t"}),
    Case("POST", "/v1/books/a:rate?comment=c", [1, 2]),
    Case("PUT", "/v1/echo/a", {"title": "t"}),
    Case("POST", "/v1/echo/5/true/RED/2026-01-01T00:00:00Z:typed"),
    Case("POST", "/v1/sum", [{"waitMs": 1}, {"waitMs": 2}]),
    Case("GET", "/v1/picture"),
    Case("GET", "/v1/echo?ratings=1"),
    Case("GET", "/v1/echo?ratings.a=1"),
    Case("GET", "/v1/echo?lent=1"),
    Case("GET", "/v1/echo?color=9"),
    Case("GET", "/v1/echo?mask=author.home_town"),
    Case("GET", "/v1/books/a:b"),
    Case("POST", "/v1/books", ""),
    Case("POST", "/v1/books", {"color": 9}),
    Case("POST", "/v1/books", '{"weight": NaN}'),
    Case("POST", "/v1/books", {"author": {"mentor": {}}, "values": [None]}),
    Case("POST", "/v1/books", {"pages": "0x1"}),
    Case("POST", "/v1/books", {"cover": "-_8"}),
    Case("POST", "/v1/books", {"printedTime": "2026-11-22t10:00:00z"}),
    Case("POST", "/v1/books/a:comment?stars=5", '"abc"'),
    *(Case("POST", "/v1/fail", {"code": code, "message": "m"}) for code in range(1, 17)),
]

DIFFER = [
    Case("GET", "/v1/titles", differs="Envoy starts with response_body for HttpBody only"),
    Case("GET", "/v1/ticks:watch?count=2", differs="a stream is a JSON array there, a message a line or SSE here"),
    Case("DELETE", "/v1/echo", differs="a known path with another method is a 404 there, a 405 with Allow here"),
    Case("HEAD", "/v1/books/a", differs="no HEAD there"),
    Case("GET", "/v1/books", differs="a path of other methods alone is a 404 there, a 405 with Allow here"),
    Case("POST", "/v1/books", {"lent": "yes"}, differs='"yes" is true there'),
    Case("POST", "/v1/books", {"tags": "a"}, differs="a text is taken as a list of one there"),
    Case("POST", "/v1/books", '{"title":"a",}', differs="a comma too many is taken there; strict RFC 8259 here"),
    Case("POST", "/v1/books", {"nope": 1}, differs="an unknown JSON field is ignored there, a 400 here"),
    Case("POST", "/v1/books", {"pages": "x", "title": 1}, differs="one fault is told there as text, all here as JSON"),
    Case("POST", "/v1/books?title=x", {}, differs="a query beside a whole body is taken there"),
    Case("GET", "/v1/echo?title=a+b", differs="+ is a plus there, a space here"),
    Case("GET", "/v1/echo?title=a&title=b", differs="the last of two is taken there"),
    Case("GET", "/v1/books/a?name=b", differs="the query overrides or is dropped there"),
    Case("PUT", "/v1/echo/a", {"name": "b"}, differs="the path wins silently there"),
    Case("POST", "/v1/chat", [], differs="both ways at once over HTTP/1.1 is tried there, a 501 here"),
    Case("GET", "/v1/books/a/", differs="a slash at the end is ignored there, another path here"),
    Case("GET", "/v1/echo?title=%zz", differs="a broken escape is text there, a 400 here"),
    Case("GET", "/v1/echo?title=%ff", differs="what is not UTF-8 is a 500 there, a 400 here"),
    Case("GET", "/v1/books/%zz", differs="the same in the path"),
    Case("GET", "/v1/books/%ff", differs="the same in the path"),
    Case("GET", "/v1/echo?printedTime.seconds=5", differs="parts of instants may be set there"),
    Case("GET", "/v1/echo", {}, differs="a body where the rule has none is ignored there"),
    Case("POST", "/v1/books", '{"title":"a","title":"b"}', differs="the last of two equal names is taken there"),
    Case(
        "POST",
        "/v1/books",
        {"tags": [None]},
        differs="null in a list is left out there, a 400 here as the JSON mapping has it",
    ),
]
