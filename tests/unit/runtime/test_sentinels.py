"""URLs that name Sentinels."""

import asyncio

import pytest

from firewalker.runtime.sentinels import Sentinels, parse
from tests.support.waiting import until


async def test_any_number_may_ask_at_once_while_the_first_sentinel_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    dead, alive, primary = ("dead", 1), ("alive", 2), ("primary", 6379)
    given_up: list[asyncio.Event] = []

    async def ask(_: Sentinels, *address: object) -> tuple[str, int]:
        if address == dead:
            given_up.append(asyncio.Event())
            await given_up[-1].wait()
            raise OSError
        await asyncio.sleep(0)
        return primary

    monkeypatch.setattr(Sentinels, "_ask", ask)
    sentinels = Sentinels([dead, alive], "main")
    callers = [asyncio.create_task(sentinels.primary()) for _ in range(8)]
    await until(lambda: len(given_up) == 8)
    given_up[0].set()
    assert await asyncio.wait_for(callers[0], 60) == primary
    # The others are in the middle of a list that has another order now.
    assert sentinels.addresses == [alive, dead]
    for each in given_up:
        each.set()
    assert await asyncio.wait_for(asyncio.gather(*callers), 60) == [primary] * 8
    assert sentinels.addresses == [alive, dead]


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
