"""URLs that name servers of a cluster, and what those say of its slots."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError

from firewalker.runtime.cluster import TAGS, Cluster, parse, tags

A, B, C = (b"10.0.0.1", 6379, b"a"), (b"10.0.0.2", 6379, b"b"), (b"", 7000, b"c")
SLOTS = [[0, 8191, [*A, []], [*C, []]], [8192, 16383, [*B, []]]]


def cluster(url: str = "redis+cluster://x:1,y:2") -> Cluster:
    found = parse(url)
    assert found is not None
    return found


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], list[str]]:
    """Has each named server answer so, or never where None stands; others are away. Gives who was asked."""

    def answer(by_host: dict[str, Any]) -> list[str]:
        asked: list[str] = []

        async def ask(_: Cluster, host: str, _port: int) -> Any:
            asked.append(host)
            if host not in by_host:
                raise OSError
            if by_host[host] is None:
                await asyncio.Event().wait()
            return by_host[host]

        monkeypatch.setattr(Cluster, "_ask", ask)
        return asked

    return answer


@pytest.mark.parametrize(
    ("url", "server", "addresses"),
    [
        ("redis+cluster://a:1,b:2", "redis://h:3", [("a", 1), ("b", 2)]),
        ("redis+cluster://a/0", "redis://h:3", [("a", 6379)]),
        ("rediss+cluster://me:p%40ss@a:1,[::1]:2?ssl_ca_certs=x", "rediss://me:p%40ss@h:3?ssl_ca_certs=x", [("a", 1), ("::1", 2)]),
    ],
)  # fmt: skip
def test_a_url_of_a_cluster_says_whom_to_ask_and_how_to_speak_to_all(
    url: str, server: str, addresses: list[tuple[str, int]]
) -> None:
    found = cluster(url)
    assert found.addresses == addresses
    assert found.url_of("h", 3) == server
    assert list(tags(url)) == list(TAGS)


@pytest.mark.parametrize("url", ["redis://a:1/0", "unix:///run/redis.sock?db=1", "redis+sentinel://a:1/main"])
def test_elsewhere_one_tag_has_everything(url: str) -> None:
    assert parse(url) is None
    assert len(tags(url)) == 1


@pytest.mark.parametrize(
    "url", ["redis+cluster://", "redis+cluster://a/1", "redis+cluster://a?db=2", "redis+cluster://a:b", "redis+cluster://a,,b"]
)  # fmt: skip
def test_a_url_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(url)


@pytest.mark.parametrize("primaries", [1, 2, 3, 4, 6, 12])
def test_primaries_with_equal_shares_of_the_slots_have_as_many_tags_each(primaries: int) -> None:
    owners = [key_slot(tag.encode()) * primaries // 16_384 for tag in TAGS]
    assert sorted(owners) == sorted(list(range(primaries)) * (len(TAGS) // primaries))


async def test_the_primary_of_a_tag_is_that_of_its_slot(answers: Callable[[dict[str, Any]], list[str]]) -> None:
    answers({"x": SLOTS, "y": SLOTS})
    for tag in TAGS:
        expected = "10.0.0.1" if key_slot(tag.encode()) < 8_192 else "10.0.0.2"
        assert await cluster().primary(tag) == (expected, 6379)


async def test_any_server_that_lives_is_asked(answers: Callable[[dict[str, Any]], list[str]]) -> None:
    asked = answers({"y": SLOTS})
    while "x" not in asked:  # in any order
        assert await cluster().primary(TAGS[0]) == ("10.0.0.1", 6379)


async def test_nobody_waits_for_a_server_that_hangs_while_another_answers(
    answers: Callable[[dict[str, Any]], list[str]],
) -> None:
    asked = answers({"x": None, "y": SLOTS})
    before = asyncio.all_tasks()
    async with asyncio.timeout(60):
        while asked[:1] != ["x"]:  # in any order
            asked.clear()
            assert await cluster().primary(TAGS[0]) == ("10.0.0.1", 6379)
    assert asyncio.all_tasks() == before


async def test_a_server_without_an_address_is_the_one_that_was_asked(
    answers: Callable[[dict[str, Any]], list[str]],
) -> None:
    answers({"x": SLOTS})
    assert await cluster("redis+cluster://:secret@x:1").servers() == [
        "redis://:secret@10.0.0.1:6379", "redis://:secret@10.0.0.2:6379", "redis://:secret@x:7000",
    ]  # fmt: skip


async def test_without_an_answer_or_an_owner_redis_is_away(answers: Callable[[dict[str, Any]], list[str]]) -> None:
    answers({})
    with pytest.raises(RedisConnectionError):
        await cluster().primary(TAGS[0])
    answers({"x": SLOTS[1:], "y": SLOTS[1:]})
    with pytest.raises(RedisConnectionError):
        await cluster().primary(TAGS[0])
