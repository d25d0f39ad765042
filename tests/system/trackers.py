"""Walkers' apps for the system tests: a TrackSteps stream through grpcio or through grpclib, with a ledger.

Unlike the simulator of the command line they do what the test says, one message at a time.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from typing import Any

import grpc
from grpclib.client import Channel, Stream
from grpclib.const import Cardinality
from grpclib.exceptions import GRPCError, StreamTerminatedError

from firewalker.gen.pb.firewalker.step.v1 import Reading, TrackStepsRequest, TrackStepsResponse
from tests.system.people import STEPS, TODAY, Person
from tests.system.wire import Grpc, request_of

TRACK = f"{STEPS}/TrackSteps"

LOST = (grpc.aio.AioRpcError, asyncio.InvalidStateError, GRPCError, StreamTerminatedError, OSError)

GIVE_UP_S = 30.0


class Tracker(ABC):
    """One walker's stream. Opened again, with the message repeated, whenever it ends."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.acknowledged: dict[int, int] = {}
        """Highest acknowledged count by hour."""
        self.sent: dict[int, int] = {}
        self.reopened = 0
        self._written = 0

    async def walk_to(self, steps: int, hour: int = 10) -> int:
        """Report *steps* so far in *hour* until it is acknowledged; the day's total in the acknowledgement."""
        self._written += 1
        self.sent[hour] = max(steps, self.sent.get(hour, 0))
        limit = time.monotonic() + GIVE_UP_S
        while True:
            try:
                verdicts, total = await asyncio.wait_for(self._exchange(f"m{self._written}", steps, hour), 60)
            except LOST:
                assert time.monotonic() < limit, "no acknowledgement"
                self.reopened += 1
                await self._abandon()
                await asyncio.sleep(0.05)
                continue
            assert verdicts in (["ACCEPTED"], ["UNCHANGED"])
            self.acknowledged[hour] = max(steps, self.acknowledged.get(hour, 0))
            return total

    @abstractmethod
    async def _exchange(self, message_id: str, steps: int, hour: int) -> tuple[list[str], int]:
        """Send one message and wait for its acknowledgement: the verdicts and the day's total."""

    @abstractmethod
    async def _abandon(self) -> None:
        """Drop the stream; the next exchange opens another."""

    @abstractmethod
    async def finish(self) -> None:
        """Half-close the stream and wait for its end, then close the connection."""


class GrpcioTracker(Tracker):
    """Through grpcio."""

    def __init__(self, person: Person, address: str) -> None:
        super().__init__(person)
        self._client = Grpc(address)
        self._stream: grpc.aio.StreamStreamCall[Any, Any] | None = None

    async def _exchange(self, message_id: str, steps: int, hour: int) -> tuple[list[str], int]:
        if self._stream is None:
            self._stream = self._client.talk(TRACK, self.person.token)
        reading = {"deviceId": "phone", "date": TODAY, "hour": hour, "steps": steps}
        await self._stream.write(request_of(TRACK, {"messageId": message_id, "readings": [reading]}))
        answer = await self._stream.read()
        if answer is grpc.aio.EOF:
            raise ConnectionError(await self._stream.code())
        assert answer.message_id == message_id
        verdict = type(answer.results[0]).Verdict
        return [verdict.Name(result.verdict) for result in answer.results], answer.days[-1].total

    async def _abandon(self) -> None:
        if self._stream is not None:
            self._stream.cancel()
            self._stream = None

    async def finish(self) -> None:
        if self._stream is not None:
            await self._stream.done_writing()
            assert await self._stream.read() is grpc.aio.EOF
            assert await self._stream.code() is grpc.StatusCode.OK
        await self._client.close()


class GrpclibTracker(Tracker):
    """Through grpclib and betterproto2."""

    def __init__(self, person: Person, address: str) -> None:
        super().__init__(person)
        host, _, port = address.rpartition(":")
        self._channel = Channel(host, int(port))
        self._stream: Stream[TrackStepsRequest, TrackStepsResponse] | None = None

    async def _exchange(self, message_id: str, steps: int, hour: int) -> tuple[list[str], int]:
        if self._stream is None:
            self._stream = self._channel.request(
                f"/{TRACK}", Cardinality.STREAM_STREAM, TrackStepsRequest, TrackStepsResponse,
                metadata={"authorization": f"Bearer {self.person.token}"},
            )  # fmt: skip
            await self._stream.__aenter__()
        reading = Reading(device_id="phone", date=TODAY, hour=hour, steps=steps)
        await self._stream.send_message(TrackStepsRequest(message_id=message_id, readings=[reading]))
        answer = await self._stream.recv_message()
        if answer is None:
            raise ConnectionError
        assert answer.message_id == message_id
        return [result.verdict.name or "" for result in answer.results], answer.days[-1].total

    async def _abandon(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            try:
                await stream.__aexit__(ConnectionError, ConnectionError(), None)
            except (*LOST, ConnectionError):
                return

    async def finish(self) -> None:
        if self._stream is not None:
            await self._stream.end()
            assert await self._stream.recv_message() is None
            await self._stream.__aexit__(None, None, None)
        self._channel.close()
