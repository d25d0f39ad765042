from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoder.routes import Routes
from transcoder.templates import Capture, Template, TemplateError, Wild, parse


@pytest.mark.parametrize(
    ("text", "segments", "captures", "verb"),
    [
        ("/v1/a", ("v1", "a"), (), ""),
        ("/v1/*", ("v1", Wild.ONE), (), ""),
        ("/v1/**", ("v1", Wild.REST), (), ""),
        ("/v1/{x}", ("v1", Wild.ONE), (Capture("x", 1, 2, single=True),), ""),
        ("/v1/{x=*}", ("v1", Wild.ONE), (Capture("x", 1, 2, single=True),), ""),
        ("/v1/{x.y=a/*}/b:go", ("v1", "a", Wild.ONE, "b"), (Capture("x.y", 1, 3, single=False),), "go"),
        ("/{x=a/**}:go", ("a", Wild.REST), (Capture("x", 0, None, single=False),), "go"),
        ("/caf%C3%A9", ("café",), (), ""),
        ("/.well-known/jwks.json", (".well-known", "jwks.json"), (), ""),
    ],
)
def test_a_template_parses(text: str, segments: tuple[object, ...], captures: tuple[Capture, ...], verb: str) -> None:
    assert parse(text) == Template(text, segments, captures, verb)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        *("", "v1", "/", "/v1/", "//", "/v1//a", "/v1/{x", "/v1/x}", "/{}", "/{x=}", "/{1x}", "/{x.}", "/{x={y}}"),
        *("/**/a", "/{x=**}/a", "/a:", "/a:b/c", "/a:b:c", "/a b", "/a?b", "/{x}/{x}", "/a{x}", "/***", "/%zz", "/%ff"),
    ],
)
def test_a_broken_template_is_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        parse(text)


_literals = st.text("abcxyz019-_.~é ", min_size=1, max_size=4).filter(lambda text: "%" not in text)


def _encoded(text: str) -> str:
    return "".join(c if c.isascii() and c != " " else "".join(f"%{b:02X}" for b in c.encode()) for c in text)


@st.composite
def _paths(draw: st.DrawFn) -> tuple[str, bytes, list[str]]:
    """A template, a path that it matches, and the values that come out."""
    parts: list[str] = []
    path: list[str] = []
    values: list[str] = []
    for number in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["literal", "one", "variable", "pair"]))
        word, other = draw(_literals), draw(_literals)
        if kind == "pair":
            parts.append(f"{{f{number}={_encoded(word)}/*}}")
            path += [_encoded(word), _encoded(other)]
            values.append(f"{word}/{other}")
            continue
        path.append(_encoded(word))
        parts.append({"literal": _encoded(word), "one": "*", "variable": f"{{f{number}}}"}[kind])
        if kind == "variable":
            values.append(word)
    if draw(st.booleans()):
        rest = draw(st.lists(_literals, max_size=3))
        parts.append("{rest=**}")
        path += map(_encoded, rest)
        values.append("/".join(rest))
    return "/" + "/".join(parts), ("/" + "/".join(path)).encode(), values


@given(_paths())
def test_a_path_made_from_a_template_matches_it_and_gives_back_its_values(made: tuple[str, bytes, list[str]]) -> None:
    text, path, values = made
    routes: Routes[str] = Routes()
    routes.add("GET", parse(text), "here")
    assert routes.match("GET", path) == ("here", values)


@given(st.text("/{}*:=.ab%2F", max_size=20))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        template = parse(text)
    except TemplateError:
        return
    assert template.shape.startswith("/")
