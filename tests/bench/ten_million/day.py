"""One day of the sample, second by second, through the step service's own rules. Stands in for sockets and stores, not for rules."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from time import process_time
from typing import Any, NamedTuple, cast

from firewalker.cli.walk.gait import Gait
from firewalker.cli.walk.month import arrivals
from firewalker.kernel.ids import UserId
from firewalker.runtime.grpc.messages import message_class
from firewalker.step.boards.agenda import Agenda
from firewalker.step.boards.board import WatchedBoard
from firewalker.step.boards.subjects import Subjects
from firewalker.step.boards.updates import Changes, Snapshot
from firewalker.step.boards.watcher import Watcher
from firewalker.step.domain.circle import Circle
from firewalker.step.domain.day import HOURS, State, UserTotal, begin_ms, state, to_ms
from firewalker.step.domain.goal import GoalReached, Reached
from firewalker.step.domain.reading import Counted, Window
from firewalker.step.ingest.group import REFRESH_MS, Group, Message
from firewalker.step.ingest.known import DeviceDay
from firewalker.step.live.frames import pack_frame, pack_record
from firewalker.step.overtakes import Overtakes
from firewalker.step.rpc.board_messages import update_answer
from firewalker.step.store.keys import DeviceDate, UserDate
from tests.bench.ten_million.news import News
from tests.bench.ten_million.people import BACKGROUND_S, MESSAGE_S, Crowd, Look, Walker
from tests.support.clock import FakeClock

DAY_S = 86_400
SENDER = b"ten-mill"

Request = message_class("firewalker.step.v1.TrackStepsRequest")


class Sending(NamedTuple):
    """A message on its way: at which second, whose, and what."""

    second: int
    walker: Walker
    device_id: str
    source: int
    readings: tuple[tuple[date, int, int, int], ...]
    """Date, slot and steps of each, and when it was counted in Unix milliseconds; 0 for now."""


@dataclass
class Tally:
    """What was counted: by what, hour of the day and part of the sample."""

    counts: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    looked_at: int = 0
    """Walkers that the overtakes worker looked at, and the seconds of processor that took."""
    looking_s: float = 0.0

    def add(self, what: str, hour: int, part: int, number: float = 1) -> None:
        """Count."""
        self.counts[what, hour, part] += number  # type: ignore[assignment]


class Day:
    """Lives the day of a crowd. Use: construct, `run`; then read `tally`, `totals`, `rows` and `news`."""

    def __init__(self, crowd: Crowd, begin: datetime, random: Random) -> None:
        self.begin = begin
        self.clock = FakeClock(begin)
        self.tally = Tally()
        self.totals: dict[UserDate, UserTotal] = {}
        self.devices: dict[DeviceDate, DeviceDay] = {}
        self.news = News(self.clock)
        self._crowd = crowd
        self._random = random
        self._by_user = {walker.user.bytes: walker for walker in crowd.walkers}
        self._since = begin - timedelta(days=100)
        self._circles: dict[bytes, Circle] = {}
        self._heard: dict[UserDate, int] = {}
        self._reached: set[UserDate] = set()
        self._subjects = Subjects(Agenda(self.clock.monotonic), self.clock)
        self._boards: dict[tuple[int, int], WatchedBoard] = {}
        self._streams: dict[int, tuple[Watcher, asyncio.Task[None]]] = {}
        # These few methods are all that the worker asks of them.
        stand_in: Any = self
        self._overtakes = Overtakes(stand_in, stand_in, stand_in, cast("Any", self.news), self.clock)

    # -- what the overtakes worker asks --------------------------------------------------------------------------------

    def subscribe(self, callback: Any) -> None:
        """As of `LiveTotals`."""
        self._pursuits_hear = callback

    async def read(self, day: date, users: Sequence[bytes]) -> Mapping[bytes, UserTotal]:
        """As of `KnownTotals` and `LiveTotals`."""
        return {user: total for user in users if (total := self.totals.get((user, day))) is not None}

    async def of(self, user: UserId) -> Circle:
        """As of `Circles`."""
        return self.circle(self._by_user[user.bytes])

    # -- the day ---------------------------------------------------------------------------------------------------------

    def circle(self, walker: Walker) -> Circle:
        """Who is on the walker's board."""
        user = walker.user.bytes
        if user not in self._circles:
            self._circles[user] = self._crowd.circle(walker, self._since)
        return self._circles[user]

    async def run(self) -> None:
        """Live it."""
        sendings: dict[int, list[Sending]] = {}
        looks: dict[int, list[tuple[Walker, Look]]] = {}
        ends: dict[int, list[int]] = {}
        for walker in self._crowd.walkers:
            for sending in self._sendings(walker):
                sendings.setdefault(sending.second, []).append(sending)
            for look in walker.looks:
                looks.setdefault(int(look.begin), []).append((walker, look))
        window = Window(self.clock.now())
        for second in range(DAY_S):
            now = self.clock.now()
            if to_ms(now) >= window.until_ms:
                window = Window(now)
            if coming := sendings.pop(second, None):
                self._take(coming, window, second // 3_600)
            for walker, look in looks.pop(second, ()):
                self._open(walker, look, second // 3_600)
                ends.setdefault(int(look.end) + 1, []).append(id(look))
                self._streams[id(look)] = self._follow(walker, look)
            self._subjects.agenda.turn()
            await self._look_for_overtakes()
            if self._streams:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            for stream in ends.pop(second, ()):
                watcher, task = self._streams.pop(stream)
                watcher.board.leave(watcher)
                task.cancel()
            self.clock.advance(1)

    def _sendings(self, walker: Walker) -> Iterator[Sending]:
        """What the walker's devices send on this day: while the app is open, and every hour by themselves."""
        begin_at, end = to_ms(self.begin), self.begin + timedelta(days=2)
        coming = [
            (day, arrival)
            for day in (self.begin.date() + timedelta(days=number) for number in (-1, 0, 1))
            for arrival in arrivals(walker.habit, day, end, self._random)
        ]
        counted = {(day, arrival.slot): arrival.steps for day, arrival in coming if arrival.device_id == "phone"}
        more: dict[tuple[date, int], int] = {}
        for look in walker.looks:
            yield from self._while_open(walker, look, counted, more)
        for day, arrival in coming:
            at_s = (arrival.at_ms - begin_at) / 1_000 + self._random.uniform(0, BACKGROUND_S)
            if 0 <= at_s < DAY_S:
                seen = more.get((day, arrival.slot), 0) if arrival.device_id == "phone" else 0
                reading = (day, arrival.slot, arrival.steps + seen, arrival.at_ms)
                yield Sending(int(at_s), walker, arrival.device_id, int(arrival.source), (reading,))

    def _while_open(
        self, walker: Walker, look: Look, counted: Mapping[tuple[date, int], int], more: dict[tuple[date, int], int]
    ) -> Iterator[Sending]:
        """A message at once, with the hour before, then one whenever steps were made; they are *more* than what is *counted*."""
        gait, at_s, first = Gait(self._random), look.begin, True
        while at_s < look.end:
            local = (self.begin + timedelta(seconds=at_s)).astimezone(walker.habit.zone)
            slot, past = (local.date(), local.hour), (local.date(), local.hour - 1)
            steps = gait.steps(MESSAGE_S)
            if steps or first:
                more[slot] = more.get(slot, 0) + steps
                walked = counted.get(slot, 0) * (local.minute * 60 + local.second) // 3_600 + more[slot]
                readings = [(*slot, walked, 0)]
                if first and past in counted:
                    readings.insert(0, (*past, counted[past] + more.get(past, 0), to_ms(local) - 3_600_000))
                yield Sending(int(at_s), walker, "phone", 1, tuple(readings))
            first = False
            at_s += MESSAGE_S

    def _take(self, sendings: Sequence[Sending], window: Window, hour: int) -> None:
        """Judge and merge the messages of a second as one group, and tell of the totals."""
        now_ms, add = to_ms(self.clock.now()), self.tally.add
        loop = asyncio.get_running_loop()
        messages = []
        for sending in sendings:
            part = sending.walker.part
            request = Request(
                message_id="1",
                readings=[
                    {
                        "device_id": sending.device_id, "date": day.isoformat(), "steps": steps, "source": sending.source,
                        **({"hour": slot} if slot < HOURS else {}),
                    }
                    for day, slot, steps, _ in sending.readings
                ],
            )  # fmt: skip
            judged = [
                window.judge(
                    device_id=sending.device_id, date_text=day.isoformat(), slot=slot, steps=steps,
                    recorded_ms=at_ms or now_ms, source=sending.source, now_ms=now_ms,
                )
                for day, slot, steps, at_ms in sending.readings
            ]  # fmt: skip
            good = [reading for reading in judged if isinstance(reading, Counted)]
            add("messages", hour, part)
            add("readings", hour, part, len(judged))
            add("bytes in", hour, part, len(request.SerializeToString()))
            messages.append(Message(sending.walker.user.bytes, good, loop.create_future(), 0.0))
        group = Group(messages, now_ms)
        group.learn({key: self._device_day(key) for key in group.device_days()})
        group.merge()
        for _, rises in group.rises():
            for rise in rises:
                add("rows written", hour, self._by_user[rise.user].part)
        group.settle()
        self._tell(group, hour, now_ms)

    def _device_day(self, key: DeviceDate) -> DeviceDay:
        known = self.devices.get(key)
        if known is None:
            user, day, device_id = key
            merged = next((self.devices[other].merged for other in self._of(user, day)), None)
            known = self.devices[key] = DeviceDay(user, day, device_id, merged)
        return known

    def _of(self, user: bytes, day: date) -> Iterator[DeviceDate]:
        return (key for name in ("phone", "watch", "health") if (key := (user, day, name)) in self.devices)

    def _tell(self, group: Group, hour: int, now_ms: int) -> None:
        """What `ingest.totals` does after the commit: new totals, and those not heard of for a while, to everybody."""
        told: dict[date, list[tuple[bytes, UserTotal]]] = {}
        for key, last_ms in group.heard.items():
            user, day = key
            before, merged = self.totals.get(key), group.touched.get(key)
            steps = merged.total if merged is not None else (before.total if before is not None else 0)
            rose = before is None or steps > before.total
            total = UserTotal(steps, now_ms if rose or before is None else before.reached_ms, last_ms)
            total = total if before is None else before.merged(total)
            if rose or last_ms - self._heard.get(key, 0) >= REFRESH_MS:
                self._heard[key] = last_ms
                told.setdefault(day, []).append((user, total))
                self.tally.add("totals told", hour, self._by_user[user].part)
                watching = self._subjects._days.get(day, {}).get(user)
                if watching is not None:
                    watched = sum(len(board.watchers) for board in watching.boards)
                    self.tally.add("screens that show it", hour, self._by_user[user].part, watched)
            self.totals[key] = total
        for day, totals in told.items():
            records = [pack_record(user, begin_ms(day), total) for user, total in totals]
            for user, _ in totals:
                size = len(pack_frame(SENDER, day, records)) / len(records)
                self.tally.add("bytes told", hour, self._by_user[user].part, size)
            self._subjects.hear(day, totals)
            if len(self._overtakes._pursuits):
                self._overtakes._pursuits.hear(day, totals, self.clock.monotonic())
            self._goals(day, totals, hour)
        walked = group.walked(self.totals)
        self.tally.looked_at += len(walked)
        self._overtakes.walked(walked)

    def _goals(self, day: date, totals: Collection[tuple[bytes, UserTotal]], hour: int) -> None:
        """What `usecases.reached_goals` does: once for each date, while it is open."""
        for user, total in totals:
            walker = self._by_user[user]
            goals = walker.person.goals
            how = goals.reached(day, total.total)
            if how is Reached.NO or (user, day) in self._reached:
                continue
            self._reached.add((user, day))
            if state(day, walker.habit.zone, self.clock.now()) is not State.OPEN:
                continue
            friends = [friend.person.user_id for friend in self.circle(walker).friends]
            told = tuple(friends) if how is Reached.OPENLY else ()
            person = walker.person
            self.news.reached(
                GoalReached(user, person.nickname, person.avatar_url, day, goals.as_of(day), told, self.clock.now())
            )
            self.tally.add("events", hour, walker.part)
            self.tally.add("goals reached", hour, walker.part)

    async def _look_for_overtakes(self) -> None:
        if not self._overtakes._walked and not len(self._overtakes._pursuits):
            return
        began, before = process_time(), len(self.news.events)
        await self._overtakes.look()
        self.tally.looking_s += process_time() - began
        for event in self.news.events[before:]:
            hour = int((event.create_time - self.begin).total_seconds()) // 3_600
            part = self._by_user[self.news.walker_of[event.event_id]].part
            self.tally.add("events", hour, part)
            self.tally.add("overtakes told", hour, part)

    # -- boards ------------------------------------------------------------------------------------------------------------

    def _open(self, walker: Walker, look: Look, hour: int) -> None:
        self.tally.add("boards opened", hour, walker.part)
        self.tally.add("seconds watched", hour, walker.part, look.end - look.begin)

    def _follow(self, walker: Walker, look: Look) -> tuple[Watcher, asyncio.Task[None]]:
        """Watch the board of friends, or of a group, until the app is closed."""
        day = self.clock.now().astimezone(walker.habit.zone).date()
        group = walker.groups[0] if look.group and walker.groups else -1
        board = self._boards.get((walker.number, group))
        if board is None or board.day != day:
            circle = self.circle(walker) if group < 0 else self._crowd.group_circle(walker, group, day, self._since)
            board = WatchedBoard(
                walker.user, day, circle, self._subjects, lambda gone: self._abandon(walker, group, gone)
            )
            self._subjects.settle(
                day, board.unknown(), {user: total for user in board.members if (total := self.totals.get((user, day)))}
            )
            board.begin()
            self._boards[walker.number, group] = board
        watcher = Watcher(board, resume="", today=True, close=lambda _: None)
        board.join(watcher)
        return watcher, asyncio.create_task(self._show(watcher, walker))

    def _abandon(self, walker: Walker, group: int, board: WatchedBoard) -> None:
        board.dissolve()
        if self._boards.get((walker.number, group)) is board:
            del self._boards[walker.number, group]

    async def _show(self, watcher: Watcher, walker: Walker) -> None:
        while not watcher.ended:
            update = await watcher.next()
            hour = int((self.clock.now() - self.begin).total_seconds()) // 3_600
            kind = {Snapshot: "snapshots", Changes: "frames"}.get(type(update), "heartbeats and ends")
            self.tally.add(kind, hour, walker.part)
            self.tally.add("bytes out", hour, walker.part, len(update_answer(update)))


def first_moment(now: datetime) -> datetime:
    """When the day of the simulation begins: the last midnight (UTC)."""
    return datetime(now.year, now.month, now.day, tzinfo=UTC)
