"""One simulated walker's app: a TrackSteps stream, opened again whenever it ends, and then what was not acknowledged."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from grpclib.client import Channel, Stream
from grpclib.const import Cardinality
from grpclib.exceptions import StreamTerminatedError

from firewalker.cli.calls import LOST, CallError, Pauses, UnreachableError, outcomes
from firewalker.cli.walk.ledger import Ledger
from firewalker.gen.pb.firewalker.step.v1 import (
    GetFriendLeaderboardRequest,
    LeaderboardServiceStub,
    ReadingResultVerdict,
    TrackStepsRequest,
    TrackStepsResponse,
)

if TYPE_CHECKING:
    from firewalker.cli.account import Account
    from firewalker.cli.addresses import Address
    from firewalker.cli.walk.gait import Gait
    from firewalker.cli.walk.ledger import Discrepancy
    from firewalker.cli.walk.meters import Meters
    from firewalker.cli.walk.pedometer import Pedometer
    from firewalker.gen.pb.firewalker.step.v1 import Reading

MOST_OPEN_MESSAGES = 8
"""Messages sent and not yet acknowledged; a real app would not get further ahead either."""

SILENCE_LIMIT_S = 15.0
"""A message that waits longer for its acknowledgement means a dead connection."""

LAST_WORDS_S = 45.0
"""How long after the end of the walk the last acknowledgements are waited for, through any number of new streams."""


@dataclass(slots=True)
class Open:
    """A message that waits for its acknowledgement."""

    message: TrackStepsRequest
    sent: float
    """When it was last sent, by the monotonic clock."""


class Walker:
    """A person with an app. Has a connection of their own, as a phone does."""

    def __init__(
        self, account: Account, step: Address, *, gait: Gait, pedometer: Pedometer, meters: Meters, interval_s: float
    ) -> None:
        self.account = account
        self.ledger = Ledger()
        self._channel = Channel(step.host, step.port)
        self._gait = gait
        self._pedometer = pedometer
        self._meters = meters
        self._interval_s = interval_s
        self._zone = ZoneInfo(account.user.time_zone)
        self._open: dict[str, Open] = {}
        self._answered = asyncio.Event()
        self._written = 0
        self._answers = 0

    async def walk(self, over: asyncio.Event) -> None:
        """Walk until *over*, then wait for the last acknowledgements.

        Ends with messages unacknowledged only if the backend did not answer for 45 s after *over*.

        Raises:
            CallError: The account is no good any more.
        """
        if history := self._pedometer.history(self._now()):
            self._write(history)
        pauses = Pauses()
        give_up: float | None = None
        while not over.is_set() or self._open:
            if over.is_set():
                give_up = give_up or time.monotonic() + LAST_WORDS_S
                if time.monotonic() > give_up:
                    return
            before = self._answers
            try:
                await self._stream(over)
            except CallError as error:
                if self._answers > before:
                    # A stream that worked, not one of the attempts to get another.
                    self._meters.reconnects[error.reason or "CONNECTION_LOST"] += 1
                    pauses.over()
                if await self.account.recover(error):
                    continue
                if not error.passing:
                    raise
                await pauses.take(error.retry_after_s)

    async def audit(self) -> list[Discrepancy]:
        """Ask the backend for the walker's totals and hold them against the ledger."""
        board = LeaderboardServiceStub(self._channel)
        wrong = []
        for date in self.ledger.dates():
            answer = await self.account.call(board.get_friend_leaderboard, GetFriendLeaderboardRequest(date=date))
            rows = answer.leaderboard.entries if answer.leaderboard else []
            if found := self.ledger.check(date, sum(row.steps for row in rows if row.me)):
                wrong.append(found)
        return wrong

    def unacknowledged(self) -> int:
        """How many messages have no answer."""
        return len(self._open)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    async def _stream(self, over: asyncio.Event) -> None:
        """One stream, from opening it to its orderly end."""
        metadata = await self.account.metadata()
        with outcomes():
            async with self._channel.request(
                "/firewalker.step.v1.StepService/TrackSteps", Cardinality.STREAM_STREAM,
                TrackStepsRequest, TrackStepsResponse, metadata=metadata,
            ) as stream:  # fmt: skip
                await stream.send_request()
                self._meters.streams += 1
                try:
                    async with asyncio.TaskGroup() as both:
                        both.create_task(self._send(stream, over))
                        both.create_task(self._receive(stream, over))
                except ExceptionGroup as failed:
                    first = failed.exceptions[0]
                    # Under this name grpclib puts the status in its place, if the server sent one.
                    raise (StreamTerminatedError(str(first)) if isinstance(first, LOST) else first) from None
                finally:
                    self._meters.streams -= 1

    async def _send(self, stream: Stream[TrackStepsRequest, TrackStepsResponse], over: asyncio.Event) -> None:
        for waiting in list(self._open.values()):
            waiting.sent = time.monotonic()
            await stream.send_message(waiting.message)
        last = time.monotonic()
        while not over.is_set():
            await _pause(over, self._interval_s)
            if len(self._open) < MOST_OPEN_MESSAGES:
                now = time.monotonic()
                steps, last = self._gait.steps(now - last), now
                if steps:
                    await stream.send_message(self._write(self._pedometer.walk(steps, self._now())))
            self._check_for_silence()
        await stream.end()
        while self._open:
            self._answered.clear()
            await _pause(self._answered, 1.0)
            self._check_for_silence()

    async def _receive(self, stream: Stream[TrackStepsRequest, TrackStepsResponse], over: asyncio.Event) -> None:
        async for answer in stream:
            waiting = self._open.pop(answer.message_id, None)
            if waiting is None:
                message = f"the answer to {answer.message_id!r}, which is not open"
                raise UnreachableError(message)
            self._answers += 1
            self.ledger.acknowledge(waiting.message.readings, answer.results)
            self._meters.acknowledged(len(answer.results), time.monotonic() - waiting.sent)
            for result in answer.results:
                if result.verdict == ReadingResultVerdict.REJECTED:
                    self._meters.rejected[result.reason] += 1
            self._answered.set()
        if self._open or not over.is_set():
            message = "the stream ended before the walk"
            raise StreamTerminatedError(message)

    def _write(self, readings: list[Reading]) -> TrackStepsRequest:
        """Make a message of *readings*, and keep it until it is acknowledged."""
        self._written += 1
        message = TrackStepsRequest(message_id=f"m{self._written}", readings=readings)
        self.ledger.send(readings)
        self._open[message.message_id] = Open(message, time.monotonic())
        return message

    def _check_for_silence(self) -> None:
        oldest = next(iter(self._open.values()), None)
        if oldest is not None and time.monotonic() - oldest.sent > SILENCE_LIMIT_S:
            message = f"no acknowledgement for {SILENCE_LIMIT_S:.0f} s"
            raise UnreachableError(message)

    def _now(self) -> datetime:
        return datetime.now(self._zone)


async def _pause(event: asyncio.Event, seconds: float) -> None:
    """Wait until *event*, at most *seconds*."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
