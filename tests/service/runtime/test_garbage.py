"""Old garbage waits for a while, and goes when there is a lot of it."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from firewalker.runtime import garbage
from firewalker.runtime.garbage import rare_collections, resident_bytes
from tests.support.waiting import until


class Knot:
    """Holds itself."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture(autouse=True)
def _thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def old_garbage() -> "weakref.ref[Knot]":
    knot = Knot()
    gc.collect()  # it has grown old by now
    return weakref.ref(knot)


@pytest.mark.requirement("NET-35")
async def test_old_garbage_goes_when_the_process_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "_LOOK_S", 0.005)
    size = 0
    async with rare_collections(lambda: size):
        assert gc.get_threshold()[2] > 100_000
        left = old_garbage()
        gc.collect(1)
        assert left() is not None
        size = garbage.GROWN_BYTES
        await until(lambda: left() is None)


async def test_old_garbage_goes_when_its_time_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "_LOOK_S", 0.005)
    monkeypatch.setattr(garbage, "FULL_S", 0.01)
    async with rare_collections():
        left = old_garbage()
        await until(lambda: left() is None)


async def test_what_was_in_use_is_looked_at_again_only_with_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "_LOOK_S", 0.005)
    monkeypatch.setattr(garbage, "FULL_S", 0.01)
    async with rare_collections():
        knot = Knot()
        left = weakref.ref(knot)
        await until(lambda: all(one is not left() for one in gc.get_objects()))  # put aside
        del knot
        gc.collect()
        assert left() is not None
        monkeypatch.setattr(garbage, "THOROUGH_S", 0.0)
        await until(lambda: left() is None)


async def test_only_the_youngest_are_looked_at_as_objects_come_and_go() -> None:
    generations: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            generations.append(info["generation"])

    async with rare_collections():
        gc.callbacks.append(note)
        kept = [[number] for number in range(100_000)]
        gc.callbacks.remove(note)
    assert len(kept) == 100_000
    assert set(generations) == {0}


def test_the_size_is_that_of_this_process() -> None:
    assert 10 << 20 < resident_bytes() < 10 << 30
