"""What to do about a call while its process hears nothing of ended sessions: ask for the truth, and if nobody can say, decide.

| view | the truth can be asked | sensitive method | any other method |
|---|---|---|---|
| fresh | not needed | by the view | by the view |
| stale | yes | by MySQL's answer, which counts for 1 s | the same |
| stale | no | UNAVAILABLE `SESSION_STATE_UNKNOWN` | admitted and counted; with ``deny`` as if sensitive |

What the view knows of ended sessions counts in every row. Which methods are sensitive stands in their rules
(`runtime/grpc/policy.py`). An admitted call rides on its access token, which lives 10 minutes at most; `Refresh` always asks
MySQL. So with neither Redis nor MySQL a session that has just ended can still upload and look for those 10 minutes, and
nothing else.
"""

import asyncio
from collections import OrderedDict
from typing import Literal, Protocol

from prometheus_client import Counter

from firewalker.kernel.clock import Clock, SystemClock
from firewalker.kernel.faults import Fault, Kind, SessionRevoked
from firewalker.kernel.ids import SessionId
from firewalker.kernel.principal import Principal
from firewalker.runtime.deadline import deadline
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.revocation.view import RevocationView

ASK_S = 0.5
"""Longest wait for the truth, turn included: every call of the process pays it while nobody answers."""

ASK_AT_ONCE = 8
"""Most questions under way: a storm of calls must not become a storm on the database."""

BELIEVE_S = 1.0
"""How long "it lives" counts: as long as the contract lets an end travel."""

AWAY_S = 1.0
"""After a failure nobody is asked for so long."""

MOST_KNOWN = 20_000

OnUnknown = Literal["low_risk", "deny"]
"""What happens to methods that are not sensitive where nobody can say: admit, or refuse as well."""

_DECISIONS = Counter(
    "firewalker_revocation_stale_decisions_total",
    "Calls judged while this process did not hear of ended sessions: by the truth, or without it.",
    ["decision"],
    registry=REGISTRY,
)

for _decision in ("asked", "refused", "admitted"):
    _DECISIONS.labels(_decision)


class SessionStateUnknown(Fault):
    """Whether the session has ended cannot be told at the moment, and the call is one that must not be let through by mistake."""

    kind = Kind.UNAVAILABLE
    reason = "SESSION_STATE_UNKNOWN"
    message = "It cannot be told at the moment whether the session has ended; try again."


class SessionTruth(Protocol):
    """Where it is known what has become of a session."""

    async def has_ended(self, session_id: SessionId, /) -> bool:
        """Whether it was ended on purpose, or never was.

        Raises:
            Fault: It cannot be told.
        """


class SessionDoubts:
    """Judges calls for which the view is too old."""

    def __init__(
        self,
        view: RevocationView,
        truth: SessionTruth,
        *,
        on_unknown: OnUnknown = "low_risk",
        clock: Clock | None = None,
    ) -> None:
        self._view = view
        self._truth = truth
        self._on_unknown = on_unknown
        self._clock = clock or SystemClock()
        self._turns = asyncio.Semaphore(ASK_AT_ONCE)
        self._alive: OrderedDict[SessionId, float] = OrderedDict()
        self._asking: dict[SessionId, asyncio.Task[bool]] = {}
        self._not_before = 0.0

    @property
    def arise(self) -> bool:
        """Whether there is anything to doubt."""
        return self._view.stale

    async def settle(self, principal: Principal, *, sensitive: bool) -> None:
        """Return if the call may go on.

        Raises:
            SessionRevoked: The session has ended.
            SessionStateUnknown: It cannot be told, and this call has to be certain.
        """
        ended = await self.has_ended(principal.session_id)
        if ended:
            raise SessionRevoked
        if ended is not None:
            _DECISIONS.labels("asked").inc()
        elif sensitive or self._on_unknown == "deny":
            _DECISIONS.labels("refused").inc()
            raise SessionStateUnknown
        else:
            _DECISIONS.labels("admitted").inc()

    async def has_ended(self, session_id: SessionId) -> bool | None:
        """Whether it has ended; None if nobody says. Calls of one session share one question."""
        now = self._clock.monotonic()
        if now < self._alive.get(session_id, 0.0):
            return False
        if now < self._not_before:
            return None
        asking = self._asking.get(session_id)
        if asking is None:
            asking = asyncio.create_task(self._question(session_id), name="session question")
            self._asking[session_id] = asking
            asking.add_done_callback(lambda _: self._asking.pop(session_id, None))
        try:
            # Shielded: who leaves must not take the answer from the others.
            return await asyncio.shield(asking)
        except (Fault, TimeoutError):
            return None

    async def _question(self, session_id: SessionId) -> bool:
        try:
            with deadline(None), deadline(ASK_S):
                async with asyncio.timeout(ASK_S), self._turns:
                    if self._clock.monotonic() < self._not_before:
                        raise TimeoutError  # noqa: TRY301 - it was found to be away while this one waited for its turn
                    ended = await self._truth.has_ended(session_id)
        except BaseException:
            # Before anybody else has the turn that ends here: nothing gives way in between.
            self._not_before = self._clock.monotonic() + AWAY_S
            raise
        if not ended:
            self._alive[session_id] = self._clock.monotonic() + BELIEVE_S
            self._alive.move_to_end(session_id)
            if len(self._alive) > MOST_KNOWN:
                self._alive.popitem(last=False)
        return ended
