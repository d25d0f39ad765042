"""Rates counted in a real Redis, for all processes together; and here, while it is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count, islice
from zlib import crc32

import pytest

from firewalker.runtime import rate_limits
from firewalker.runtime.cluster import TAGS
from firewalker.runtime.rate_limits import AWAY_S, Rate, RateExceeded, RateLimits
from firewalker.runtime.redis import connect
from tests.support.waiting import until_true
from tests.support.ways import redis_way

ONCE = Rate("once", per_s=0.01, burst=1)
SLOW = Rate("slow", per_s=5.0, burst=8)
FAST = Rate("fast", per_s=100.0, burst=50)

Make = Callable[..., RateLimits]


@pytest.fixture
async def make(redis_url: str) -> AsyncIterator[Make]:
    made: list[RateLimits] = []

    def limits(url: str = redis_url, **options: Callable[[], float]) -> RateLimits:
        made.append(RateLimits(url, **options))
        return made[-1]

    yield limits
    for one in made:
        await one.close()


def counted_under_the_first_tag(rate: Rate) -> Iterator[str]:
    """Names of people who are, however many tags there are."""
    return (who for who in map(str, count()) if crc32(f"{who}:{rate.name}".encode()) % len(TAGS) == 0)


async def let_through(limits: RateLimits, who: str, rate: Rate) -> bool:
    try:
        await limits.spend(who, rate)
    except RateExceeded:
        return False
    return True


@pytest.mark.requirement("NET-34")
async def test_the_burst_is_let_through_and_the_next_is_told_when_to_come_back(make: Make) -> None:
    limits = make()
    for _ in range(SLOW.burst):
        await limits.spend("u:1", SLOW)
    with pytest.raises(RateExceeded) as refused:
        await limits.spend("u:1", SLOW)
    assert refused.value.retry_after is not None
    assert 0 < refused.value.retry_after.total_seconds() <= 1 / SLOW.per_s


@pytest.mark.requirement("NET-34")
async def test_processes_count_together(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "ASK_S", 10.0)
    processes = [make() for _ in range(4)]
    people, let = counted_under_the_first_tag(ONCE), list[int]()
    # A machine that is busy elsewhere can make Redis miss the time it is given; then each counts for itself. Once is enough
    # to show that they count together: those that do not let four through, every time.
    for who in islice(people, 3):
        answers = await asyncio.gather(
            *(let_through(processes[number % 4], who, ONCE) for number in range(40)),
        )
        let.append(sum(answers))
        await asyncio.sleep(AWAY_S if let[-1] != 1 else 0)
    assert 1 in let


@pytest.mark.alone
@pytest.mark.requirement("NET-34")
@pytest.mark.parametrize("rate", [SLOW, FAST], ids=lambda rate: rate.name)
async def test_never_more_than_burst_and_rate_times_time_is_let_through(make: Make, rate: Rate) -> None:
    processes = [make() for _ in range(3)]
    let, began = 0, time.monotonic()

    async def hammer(limits: RateLimits) -> None:
        nonlocal let
        while time.monotonic() - began < 1.5:
            through = await let_through(limits, "u:1", rate)
            let += through
            await asyncio.sleep(0)

    await asyncio.gather(*(hammer(limits) for limits in processes for _ in range(3)))
    elapsed = time.monotonic() - began
    assert let <= rate.burst + rate.per_s * elapsed
    # Turns taken in advance may be lost, but not many: those who keep to the rate are not refused for it.
    assert let >= 0.6 * (rate.burst + rate.per_s * elapsed) - 3 * rate.turns


@pytest.mark.requirement("NET-34")
async def test_people_and_classes_do_not_count_for_each_other(make: Make) -> None:
    limits = make()
    await limits.spend("u:1", ONCE)
    await limits.spend("u:2", ONCE)
    await limits.spend("u:1", Rate("other", per_s=0.01, burst=1))
    assert not await let_through(limits, "u:1", ONCE)


async def test_a_busy_user_costs_one_question_in_ten(make: Make, redis_url: str) -> None:
    limits = make()
    redis = connect(redis_url, TAGS[0])
    await limits.spend("u:2", FAST)  # so that there are figures
    before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    for _ in range(40):
        await limits.spend("u:1", FAST)
    after = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    await redis.aclose()
    assert after - before <= 15  # the shared server may have other users


async def test_a_bucket_that_is_full_again_leaves_no_key(make: Make, redis_url: str) -> None:
    quick = Rate("quick", per_s=0.5, burst=100)
    who = next(counted_under_the_first_tag(quick))
    limits, redis = make(), connect(redis_url, TAGS[0])
    spent = 0

    async def left_ms() -> int:
        nonlocal spent
        spent += 1
        await limits.spend(who, quick)
        return max(0, await redis.pttl(f"rate:{{{TAGS[0]}}}:{who}:quick"))

    await until_true(left_ms)  # one that Redis took too long for was counted here
    assert 0 < await left_ms() <= spent * 2_001
    await redis.aclose()


@pytest.mark.alone
@pytest.mark.requirement("NET-34")
async def test_without_redis_each_process_counts_for_itself(make: Make) -> None:
    limits = make("unix:///nowhere.sock")
    began = time.monotonic()
    answers = [await let_through(limits, "u:1", SLOW) for _ in range(100)]
    assert sum(answers) == SLOW.burst
    assert time.monotonic() - began < 0.5


@pytest.mark.alone
@pytest.mark.requirement("NET-34")
async def test_a_redis_that_hangs_is_waited_for_once_and_found_again(make: Make, redis_url: str) -> None:
    now = [1_000.0]
    async with redis_way(redis_url) as way:
        limits = make(way.url, now=lambda: now[0])
        await limits.spend("u:1", ONCE)
        way.set(black_hole=True)
        began = time.monotonic()
        for number in range(50):
            await limits.spend(f"u:{number + 2}", ONCE)
        assert time.monotonic() - began < 1
        assert await let_through(limits, "u:1", ONCE)  # nobody here knows of the first
        way.set()
        way.cut_all()
        now[0] += AWAY_S + 0.1
        assert not await let_through(limits, "u:1", ONCE)
        await limits.close()
