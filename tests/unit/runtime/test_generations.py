"""A bounded cache of two generations."""

from hypothesis import given
from hypothesis import strategies as st

from firewalker.runtime.generations import Generations


@given(st.integers(2, 20), st.lists(st.integers(0, 40)))
def test_a_cache_is_bounded_and_keeps_what_was_used_last(bound: int, keys: list[int]) -> None:
    cache: Generations[int, int] = Generations(bound)
    for key in keys:
        if cache.get(key) is None:
            cache.put(key, key + 1)
        assert len(cache) <= bound
    recent: list[int] = []
    for key in reversed(keys):
        if key not in recent:
            recent.append(key)
    assert all(cache.get(key) == key + 1 for key in recent[: bound // 2])


def test_what_is_forgotten_is_not_known() -> None:
    cache: Generations[str, int] = Generations(4)
    for key in "abcd":
        cache.put(key, 1)
    cache.forget("a")
    cache.forget("d")
    assert [cache.get(key) for key in "abcd"] == [None, 1, 1, None]
    cache.clear()
    assert len(cache) == 0
