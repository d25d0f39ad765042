"""URLs that name Sentinels."""

import pytest

from firewalker.runtime.sentinels import parse


@pytest.mark.parametrize(
    ("url", "server", "addresses"),
    [
        ("redis+sentinel://a:1,b:2/main", "redis://a:1", [("a", 1), ("b", 2)]),
        ("redis+sentinel://a/main?db=3", "redis://a:26379?db=3", [("a", 26379)]),
        ("rediss+sentinel://me:p%40ss@a:1,[::1]:2/main", "rediss://me:p%40ss@a:1", [("a", 1), ("::1", 2)]),
        ("redis+sentinel://[::1]:2/main", "redis://[::1]:2", [("::1", 2)]),
    ],
)
def test_a_url_of_sentinels_says_whom_to_ask_for_what(url: str, server: str, addresses: list[tuple[str, int]]) -> None:
    found, sentinels = parse(url)
    assert found == server
    assert sentinels is not None
    assert (sentinels.addresses, sentinels.service) == (addresses, "main")


@pytest.mark.parametrize("url", ["redis://a:1/0", "unix:///run/redis.sock?db=1", "rediss://:secret@a:1"])
def test_other_urls_are_left_alone(url: str) -> None:
    assert parse(url) == (url, None)


@pytest.mark.parametrize(
    "url", ["redis+sentinel://a:1", "redis+sentinel:///main", "redis+sentinel://a:1/x/y", "redis+sentinel://a:b/main"]
)
def test_a_url_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(url)
