"""The worker that sends what is queued, as a part of the process: how much at once, and what follows from each answer."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Protocol

import structlog
from prometheus_client import Counter, Gauge, Histogram

from firewalker.kernel.clock import Clock
from firewalker.kernel.faults import Fault
from firewalker.notification.domain.device import Device, Platform
from firewalker.notification.domain.places import ordinary_of
from firewalker.notification.fcm.answers import QUOTA_EXCEEDED, Answer, Kind, Scope
from firewalker.notification.fcm.breakers import Breaker, Breakers
from firewalker.notification.fcm.messages import message_of, probe_of
from firewalker.notification.fcm.pace import Pace
from firewalker.notification.usecases.queue import DELIVERIES, Queue, Work
from firewalker.runtime import tracing
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.tasks import begin, end

IDLE_S = 1.0
"""How often it looks without being woken: for what other processes queued, and what becomes due again."""

STOP_S = 8.0
"""How long messages under way may take when the process stops; what is left then comes back when its lease ends."""

PARKED_FOR = timedelta(seconds=30)

_FINISH_AT_ONCE = 100
_FINISH_PAUSE_S = 0.01
_AGAIN_S = 0.2
_FAILED_PAUSE_S = 1.0

_SENT = Counter("firewalker_fcm_answers_total", "Answers of FCM by meaning.", ["kind", "code"], registry=REGISTRY)
_ATTEMPTS = Histogram(
    "firewalker_delivery_attempts", "Attempts that an accepted delivery took.", buckets=(1, 2, 3, 5, 8, 12),
    registry=REGISTRY,
)  # fmt: skip
_DELAY_S = Histogram(
    "firewalker_delivery_delay_seconds", "From when a delivery was queued until FCM had accepted it.",
    buckets=(0.1, 0.3, 1, 3, 10, 30, 60, 300, 3600), registry=REGISTRY,
)  # fmt: skip
_IN_FLIGHT = Gauge("firewalker_fcm_messages_in_flight", "Messages without an answer yet.", registry=REGISTRY)
_log = structlog.get_logger(__name__)


class Fcm(Protocol):
    """Who is asked (`fcm.client`)."""

    async def ask(self, body: dict[str, object], attempts: int, still: Callable[[], bool] = ..., /) -> Answer:
        """The answer to one message, which does not go out unless *still*; does not fail."""


class Pruning(Protocol):
    """Who removes registrations that are no more (`pruning`)."""

    async def prune(self, device: Device, code: str, /) -> None:
        """Remove exactly this registration, unless too many were removed."""


class Sender:
    """Keeps at most *most_in_flight* messages under way."""

    def __init__(
        self,
        queue: Queue,
        fcm: Fcm,
        pruning: Pruning,
        clock: Clock,
        *,
        pace: Pace,
        breakers: Breakers,
        most_in_flight: int,
    ) -> None:
        self._queue = queue
        self._fcm = fcm
        self._pruning = pruning
        self._clock = clock
        self._pace = pace
        self._breakers = breakers
        self._most = most_in_flight
        self._under_way: set[asyncio.Task[None]] = set()
        self._held: set[object] = set()
        self._accepted: list[Work] = []
        self._news = asyncio.Event()
        self._finish = asyncio.Event()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    def wake(self) -> None:
        """There may be something to send now."""
        self._news.set()

    async def start(self) -> None:
        """Begin."""
        self._tasks = [begin(self._dispatch(), "fcm sender"), begin(self._finish_accepted(), "fcm finisher")]

    async def stop(self) -> None:
        """Take no more, wait for the answers to what is under way, write them down."""
        self._stopping = True
        self._news.set()
        if not self._tasks:
            return
        await asyncio.wait({self._tasks[0]}, timeout=2)
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=STOP_S - 2)
        await end([self._tasks[0], *self._under_way])
        await end([self._tasks[1]])
        if self._accepted:
            with contextlib.suppress(Fault):
                await self._queue.accepted(self._accepted)

    # -- taking work -----------------------------------------------------------------------------------------------

    async def _dispatch(self) -> None:
        while not self._stopping:
            self._news.clear()
            try:
                more = await self._round()
            except Fault as fault:
                _log.warning("deliveries_not_claimed", reason=fault.reason)
                more = False
            except Exception:  # noqa: BLE001 - logged whole; what was claimed comes back by itself
                _log.exception("claiming_failed")
                more = False
            if not more and not self._stopping:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_S):
                        await self._news.wait()

    async def _round(self) -> bool:
        """Begin as many messages as there is room for; whether there may be more to begin at once."""
        if self._breakers.project.is_open:
            await self._probe(self._breakers.project, None)
            return False
        for platform in self._breakers.parked:
            await self._probe(self._breakers.platforms[platform], platform)
        free = self._most - len(self._under_way)
        room = self._pace.take(max(0, free))
        if free <= 0 or room == 0:
            await self._for_room(paced=free > 0)
            return True
        ordinary = ordinary_of(room, free=free, most=self._most)
        works: Sequence[Work] = ()
        try:
            works, looked_at = await self._queue.claim(
                ordinary, urgent_room=room - ordinary, parked=self._breakers.parked
            )
        finally:
            self._pace.give_back(room - len(works))
        for work in works:
            self._begin(work)
        return looked_at > 0

    async def _for_room(self, *, paced: bool) -> None:
        """Return when a message is done, or when the pace may allow another."""
        if self._under_way and not paced:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED, timeout=IDLE_S)
        else:
            await asyncio.sleep(0.02)

    def _begin(self, work: Work) -> None:
        if work.delivery.delivery_id in self._held:
            return  # its lease ended while it was under way here, or accepted and not written down yet: once is enough
        self._held.add(work.delivery.delivery_id)
        task = asyncio.create_task(self._send(work), name="fcm message")
        self._under_way.add(task)
        _IN_FLIGHT.set(len(self._under_way))
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        _IN_FLIGHT.set(len(self._under_way))
        self._news.set()

    # -- one message -----------------------------------------------------------------------------------------------

    async def _send(self, work: Work) -> None:
        with tracing.resumed(work.delivery.traceparent):
            await self._sent(work)

    async def _sent(self, work: Work) -> None:
        delivery = work.delivery
        try:
            body = message_of(delivery, work.device.registration, self._clock.now())
            answer = await self._fcm.ask(body, delivery.attempts, partial(self._queue.may_send, work))
            if answer.kind is not Kind.WITHHELD:
                _SENT.labels(answer.kind.value, answer.code).inc()
            await self._follow(work, answer)
            if answer.kind is Kind.ACCEPTED:
                return  # it is held until that is written down
        except Fault as fault:
            # Its lease ends by itself; then it is tried again, under the same tag.
            _log.warning("delivery_not_noted", reason=fault.reason)
        except Exception:  # noqa: BLE001 - one message must not end the sender; its claims are counted
            _log.exception("delivery_failed", type=delivery.type.value)
        self._held.discard(delivery.delivery_id)

    async def _follow(self, work: Work, answer: Answer) -> None:
        """Do what the answer means."""
        delivery = work.delivery
        if answer.kind is Kind.ACCEPTED:
            self._pace.went_well()
            DELIVERIES.labels(delivery.type.value, "accepted").inc()
            _ATTEMPTS.observe(delivery.attempts + 1)
            _DELAY_S.observe(max(0.0, (self._clock.now() - delivery.create_time).total_seconds()))
            self._accepted.append(work)
            self._finish.set()
            return
        _log.info(
            "fcm_answer", kind=answer.kind.value, code=answer.code, device=work.device.registration.digest.hex()[:12]
        )
        match answer.kind:
            case Kind.WITHHELD:
                # Released, it may come back at once: it must not find itself under way.
                self._held.discard(delivery.delivery_id)
                await self._noted(lambda: self._queue.withheld(work))
            case Kind.GONE:
                await self._noted(lambda: self._pruning.prune(work.device, answer.code))
                await self._noted(lambda: self._queue.drop(delivery, "gone"))
            case Kind.REFUSED:
                _log.error("fcm_refuses_message", code=answer.code, type=delivery.type.value)
                await self._noted(lambda: self._queue.bury(delivery, answer.code))
            case Kind.PARKED:
                self._trip(answer.scope, delivery.platform, answer.code)
                await self._noted(lambda: self._queue.again(delivery, PARKED_FOR, answer.code, counted=False))
            case _:
                if answer.scope is Scope.PROJECT and answer.code == QUOTA_EXCEEDED:
                    self._pace.quota_spent()
                wait = answer.wait or PARKED_FOR
                await self._noted(lambda: self._queue.again(delivery, wait, answer.code))

    def _trip(self, scope: Scope, platform: Platform, code: str) -> None:
        breaker = self._breakers.project if scope is Scope.PROJECT else self._breakers.platforms[platform]
        if not breaker.is_open:
            _log.error("fcm_needs_repair", scope=scope.value, platform=platform.value, code=code)
        breaker.trip()

    async def _noted(self, note: Callable[[], Awaitable[None]]) -> None:
        """Write an outcome down, again while MySQL is away for a moment."""
        for _ in range(5):
            try:
                await note()
            except Fault:
                await asyncio.sleep(_AGAIN_S)
            else:
                return
        await note()

    async def _finish_accepted(self) -> None:
        """Write down what was accepted, many at once."""
        while True:
            await self._finish.wait()
            await asyncio.sleep(_FINISH_PAUSE_S)
            self._finish.clear()
            while self._accepted:
                some = self._accepted[:_FINISH_AT_ONCE]
                try:
                    await self._queue.accepted(some)
                except Fault as fault:
                    _log.warning("accepted_not_noted", reason=fault.reason)
                    await asyncio.sleep(_AGAIN_S)
                except Exception:  # noqa: BLE001 - logged whole; without this task nothing would be written down any more
                    _log.exception("noting_failed")
                    await asyncio.sleep(_FAILED_PAUSE_S)
                else:
                    del self._accepted[: len(some)]
                    self._held.difference_update(work.delivery.delivery_id for work in some)

    async def _probe(self, breaker: Breaker, platform: Platform | None) -> None:
        """Ask once whether it is mended: with a message that FCM only checks."""
        if not breaker.take_probe():
            return
        try:
            device = await self._queue.any_device(platform)
            if device is None:
                breaker.mend()
                return
            answer = await self._fcm.ask(probe_of(device.registration), 0)
        except Exception:
            breaker.trip()  # it would wait for the end of this probe for ever
            raise
        if answer.kind in {Kind.PARKED, Kind.UNKNOWN} or not answer.is_of_fcm:
            breaker.trip()
        elif breaker.mend():
            _log.info("fcm_is_mended", platform=platform.value if platform else None)
            self._pace.restart()
