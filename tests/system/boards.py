"""Two watchers of a live board that know nothing of each other's way: gRPC through grpcio, SSE through the transcoder.

Both keep what they see as proto JSON, both open a new stream from the last version when theirs ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx

from tests.system.people import BOARDS, TODAY, Person
from tests.system.wire import Grpc, as_dict


class Watcher:
    """A board as one client sees it."""

    def __init__(self, name: str, person: Person) -> None:
        self.name = name
        self.person = person
        self.version = ""
        self.streams = 0
        self.ends: list[str] = []
        """Why streams ended: the reason of an `end`, or the class of an error."""
        self.rows: dict[str, dict[str, Any]] = {}
        self.fell: list[str] = []
        """Where a total went down, which nothing in these tests does."""
        self._news = asyncio.Event()

    def take(self, frame: dict[str, Any]) -> None:
        """Apply one answer of the stream."""
        before = {user_id: row["steps"] for user_id, row in self.rows.items()}
        if "snapshot" in frame:
            self.rows = {row["userId"]: row for row in frame["snapshot"]["entries"]}
            self.version = frame["snapshot"]["version"]
        elif "changes" in frame:
            for user_id in frame["changes"]["removedUserIds"]:
                self.rows.pop(user_id, None)
            self.rows |= {row["userId"]: row for row in frame["changes"]["entries"]}
            self.version = frame["changes"]["version"]
        elif "end" in frame:
            self.ends.append(frame["end"]["reason"])
        self.fell += [
            f"{row['nickname']} from {before[user_id]} to {row['steps']}"
            for user_id, row in self.rows.items()
            if row["steps"] < before.get(user_id, 0)
        ]
        self._news.set()

    def order(self) -> list[str]:
        """User ids of the ranked, best first."""
        ranked = [row for row in self.rows.values() if row["rank"]]
        return [row["userId"] for row in sorted(ranked, key=lambda row: row["rank"])]

    def steps(self, person: Person) -> int:
        """What the board shows for *person*; 0 for nobody."""
        return int(self.rows.get(person.user_id, {}).get("steps", 0))

    async def sees(self, order: list[str], within_s: float) -> float:
        """Wait until the board's first rows are *order*; the seconds it took."""
        began = time.monotonic()
        while self.order()[: len(order)] != order:
            left = began + within_s - time.monotonic()
            assert left > 0, f"{self.name} sees {self.order()}, not {order}, after {within_s} s; ends: {self.ends}"
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._news.wait()
        return time.monotonic() - began


@asynccontextmanager
async def watching(watcher: Watcher, frames: Any) -> AsyncIterator[Watcher]:
    """Keep *watcher* current from streams opened by *frames* while the block runs; enters with the first snapshot."""

    async def keep() -> None:
        while True:
            watcher.streams += 1
            try:
                async for frame in frames(watcher):
                    watcher.take(frame)
            except (grpc.aio.AioRpcError, httpx.TransportError) as error:
                watcher.ends.append(type(error).__name__)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(keep())
    try:
        async with asyncio.timeout(60):
            while not watcher.rows:
                assert not task.done(), task.exception()
                await asyncio.sleep(0.01)
        yield watcher
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def over_grpc(client: Grpc) -> Any:
    """Streams through grpcio."""

    async def frames(watcher: Watcher) -> AsyncIterator[dict[str, Any]]:
        asked = {"date": TODAY} | ({"resumeVersion": watcher.version} if watcher.version else {})
        stream = client.watch(f"{BOARDS}/WatchFriendLeaderboard", asked, watcher.person.token)
        async for message in stream:
            yield as_dict(message)

    return frames


def over_sse(client: httpx.AsyncClient) -> Any:
    """Streams through the transcoder."""

    async def frames(watcher: Watcher) -> AsyncIterator[dict[str, Any]]:
        asked = {"date": TODAY} | ({"resumeVersion": watcher.version} if watcher.version else {})
        headers = {"accept": "text/event-stream", "authorization": f"Bearer {watcher.person.token}"}
        async with client.stream(
            "GET", "/v1/leaderboards/friends:watch", params=asked, headers=headers, timeout=60
        ) as answer:
            if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                return
            assert answer.status_code == httpx.codes.OK, await answer.aread()
            assert answer.headers["content-type"].startswith("text/event-stream")
            async for event, data in sse(answer):
                if event == "error":
                    watcher.ends.append(f"error event {data['code']}")
                else:
                    yield data

    return frames


async def sse(answer: httpx.Response) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """The events of a `text/event-stream`: kind and data. Comments are skipped."""
    event, data = "message", ""
    async for line in answer.aiter_lines():
        if not line:
            if data:
                yield event, json.loads(data)
            event, data = "message", ""
        elif line.startswith("event:"):
            event = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            data += line.removeprefix("data:").strip()
