from __future__ import annotations

import contextlib
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoder.errors import Problem, Reason
from transcoder.routes import DuplicateRoute, Routes
from transcoder.templates import parse


def routes_of(*rules: str) -> Routes[str]:
    routes: Routes[str] = Routes()
    for rule in rules:
        method, text = rule.split(" ")
        routes.add(method, parse(text), rule)
    return routes


def refusal(routes: Routes[str], method: str, path: bytes) -> Problem:
    with pytest.raises(Problem) as caught:
        routes.match(method, path)
    return caught.value


def test_a_literal_beats_one_beats_rest_in_any_order() -> None:
    rules = ["GET /v1/a", "GET /v1/*", "GET /v1/**"]
    for order in permutations(rules):
        routes = routes_of(*order)
        assert routes.match("GET", b"/v1/a")[0] == rules[0]
        assert routes.match("GET", b"/v1/b")[0] == rules[1]
        assert routes.match("GET", b"/v1/b/c")[0] == rules[2]
        assert routes.match("GET", b"/v1")[0] == rules[2]


def test_matching_backtracks_when_a_better_branch_ends_nowhere() -> None:
    routes = routes_of("GET /v1/a/b", "GET /v1/*/c", "GET /v1/**")
    assert routes.match("GET", b"/v1/a/c")[0] == "GET /v1/*/c"
    assert routes.match("GET", b"/v1/a/d")[0] == "GET /v1/**"


def test_matching_backtracks_on_the_method_too() -> None:
    routes = routes_of("GET /v1/a", "POST /v1/*", "DELETE /v1/**")
    assert routes.match("POST", b"/v1/a")[0] == "POST /v1/*"
    assert routes.match("DELETE", b"/v1/a")[0] == "DELETE /v1/**"
    problem = refusal(routes, "PUT", b"/v1/a")
    assert (problem.http, problem.headers) == (405, [(b"allow", b"DELETE, GET, HEAD, POST")])


def test_head_is_get_unless_it_has_a_rule() -> None:
    assert routes_of("GET /a").match("HEAD", b"/a")[0] == "GET /a"
    assert routes_of("GET /a", "HEAD /a").match("HEAD", b"/a")[0] == "HEAD /a"


def test_the_star_method_takes_what_no_other_rule_takes() -> None:
    routes = routes_of("* /a", "GET /a")
    assert routes.match("GET", b"/a")[0] == "GET /a"
    assert routes.match("BREW", b"/a")[0] == "* /a"


def test_only_registered_verbs_are_split_off() -> None:
    routes = routes_of("GET /v1/{x}", "POST /v1/{x}:go")
    assert routes.match("GET", b"/v1/a:b") == ("GET /v1/{x}", ["a:b"])
    assert routes.match("POST", b"/v1/a:b:go") == ("POST /v1/{x}:go", ["a:b"])
    assert refusal(routes, "GET", b"/v1/a:go").http == 405


def test_an_encoded_colon_is_never_a_verb() -> None:
    routes = routes_of("GET /v1/{x}", "POST /v1/{x}:go")
    assert routes.match("GET", b"/v1/a%3Ago") == ("GET /v1/{x}", ["a:go"])


@pytest.mark.parametrize("path", [b"/v1/a/", b"/v1//a", b"//", b"", b"/", b"/v1/", b"/v2", b"v1/a", b"/v1/:go", b"*"])
def test_empty_segments_and_trailing_slashes_match_nothing(path: bytes) -> None:
    routes = routes_of("GET /v1/{x}", "GET /v1/{x}:go", "GET /files/**")
    assert refusal(routes, "GET", path).reason is Reason.ROUTE_NOT_FOUND


def test_one_segment_decodes_all_and_several_keep_the_encoded_slash() -> None:
    routes = routes_of("GET /one/{x}", "GET /two/{x=a/*}", "GET /rest/{x=**}")
    assert routes.match("GET", b"/one/a%2Fb%20c")[1] == ["a/b c"]
    assert routes.match("GET", b"/two/a/b%2Fc%20d")[1] == ["a/b%2Fc d"]
    assert routes.match("GET", b"/rest/a%2fb/%E2%82%AC")[1] == ["a%2fb/€"]


def test_literals_are_compared_decoded() -> None:
    assert routes_of("GET /v1/caf%C3%A9").match("GET", b"/%761/caf%c3%a9")[0]


@pytest.mark.parametrize("path", [b"/v1/%zz", b"/v1/%", b"/v1/%4", b"/v1/%ff", b"/v1/%C3", b"/v1/\xff", b"/%zz/a"])
def test_broken_encoding_is_a_400_that_names_the_path(path: bytes) -> None:
    problem = refusal(routes_of("GET /v1/{x}"), "GET", path)
    assert (problem.http, problem.reason, problem.violations[0].field) == (400, Reason.MALFORMED_PATH, "path")


@pytest.mark.parametrize(
    ("one", "other"),
    [("GET /v1/{a}", "GET /v1/{b}"), ("GET /v1/*", "GET /v1/{b=*}"), ("GET /v1/a", "GET /v1/%61"), ("* /a", "* /a")],
)
def test_two_rules_of_one_shape_are_refused(one: str, other: str) -> None:
    with pytest.raises(DuplicateRoute):
        routes_of(one, other)


@given(st.binary(max_size=30))
def test_any_path_matches_or_is_refused(path: bytes) -> None:
    routes = routes_of("GET /v1/{x}", "POST /v1/{x=**}:go", "GET /**")
    with contextlib.suppress(Problem):
        routes.match("GET", path)
