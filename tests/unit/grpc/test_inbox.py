"""DATA frames become messages, whatever the cuts; sizes are judged before bytes are kept; every byte is given back."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.kernel.faults import MalformedMessage, MessageTooLarge, StreamIdle
from firewalker.runtime.grpc.inbox import Inbox


def framed(message: bytes, flag: int = 0) -> bytes:
    return bytes((flag,)) + len(message).to_bytes(4, "big") + message


class Ledger:
    def __init__(self, limit: int = 1000) -> None:
        self.given = 0
        self.inbox = Inbox(limit, self._give)

    def _give(self, size: int) -> None:
        assert size > 0
        self.given += size


@given(
    messages=st.lists(st.binary(max_size=300), max_size=20),
    cuts=st.lists(st.integers(1, 400), min_size=1, max_size=40),
    padding=st.integers(0, 9),
    take_between=st.booleans(),
)
def test_any_cut_gives_the_same_messages_and_gives_every_byte_back(
    messages: list[bytes], cuts: list[int], padding: int, *, take_between: bool
) -> None:
    wire = b"".join(map(framed, messages))
    ledger, taken, used, position, turn = Ledger(), [], 0, 0, 0
    while position < len(wire):
        size = cuts[turn % len(cuts)]
        chunk = wire[position : position + size]
        ledger.inbox.add(chunk, len(chunk) + padding)
        used += len(chunk) + padding
        position += size
        turn += 1
        if take_between and (message := ledger.inbox.take()) is not None:
            taken.append(message)
    while (message := ledger.inbox.take()) is not None:
        taken.append(message)
    ledger.inbox.end()
    assert taken == messages
    assert ledger.given + ledger.inbox.leftover() == used
    assert ledger.inbox.fault is None


@pytest.mark.requirement("NET-01")
@pytest.mark.parametrize("length", [1001, 2**31, 2**32 - 1])
def test_an_announced_size_over_the_limit_is_refused_before_its_bytes_are_kept(length: int) -> None:
    ledger = Ledger(limit=1000)
    ledger.inbox.add(b"\0" + length.to_bytes(4, "big"), 5)
    ledger.inbox.add(b"x" * 16_384, 16_384)
    with pytest.raises(MessageTooLarge):
        ledger.inbox.take()
    assert ledger.given == 5 + 16_384
    assert ledger.inbox.leftover() == 0


def test_messages_before_a_refused_one_are_still_taken() -> None:
    ledger = Ledger(limit=3)
    ledger.inbox.add(framed(b"one") + framed(b"two") + framed(b"three"), 28)
    assert [ledger.inbox.take(), ledger.inbox.take()] == [b"one", b"two"]
    with pytest.raises(MessageTooLarge):
        ledger.inbox.take()


def test_a_message_larger_than_the_window_still_passes() -> None:
    ledger = Ledger(limit=200_000)
    wire = framed(b"x" * 200_000)
    for start in range(0, len(wire), 16_384):
        outstanding = start - ledger.given
        assert outstanding < 65_535, "the sender's window would be shut"
        chunk = wire[start : start + 16_384]
        ledger.inbox.add(chunk, len(chunk))
    assert ledger.inbox.take() == b"x" * 200_000


def test_a_compressed_message_that_was_not_announced_is_refused() -> None:
    ledger = Ledger()
    ledger.inbox.add(framed(b"x", flag=1), 6)
    with pytest.raises(MalformedMessage):
        ledger.inbox.take()


def test_a_message_cut_off_by_the_end_is_malformed() -> None:
    ledger = Ledger()
    ledger.inbox.add(framed(b"whole") + framed(b"broken")[:-1], 20)
    ledger.inbox.end()
    assert ledger.inbox.take() == b"whole"
    with pytest.raises(MalformedMessage):
        ledger.inbox.take()


async def test_a_reader_waits_for_the_next_message_and_no_longer_than_it_may() -> None:
    ledger = Ledger()
    waiting = asyncio.create_task(ledger.inbox.wait(5))
    await asyncio.sleep(0)
    ledger.inbox.add(framed(b"x"), 6)
    await waiting
    assert ledger.inbox.take() == b"x"
    with pytest.raises(StreamIdle):
        await ledger.inbox.wait(0.01)
    ledger.inbox.end()
    await ledger.inbox.wait(0.01)


async def test_a_cancelled_wait_leaves_the_inbox_usable() -> None:
    ledger = Ledger()
    waiting = asyncio.create_task(ledger.inbox.wait(None))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    ledger.inbox.add(framed(b"x"), 6)
    await ledger.inbox.wait(None)
    assert ledger.inbox.take() == b"x"
