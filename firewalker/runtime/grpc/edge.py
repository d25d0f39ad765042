"""The edge: what stands between the wire and every handler. Handlers contain none of it.

Who calls, whether the method's rule admits them, until when, what the end of the call was, one log line and one metric.
"""

import asyncio
import itertools
import logging
import os
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Protocol

import structlog
from grpclib.const import Status

from firewalker.kernel.clock import Clock, SystemClock
from firewalker.kernel.faults import (
    AccessTokenExpired,
    DeadlineExceeded,
    Fault,
    InvalidRequest,
    ServiceCredentialInvalid,
    SessionRevoked,
    Unauthenticated,
    Violation,
)
from firewalker.kernel.principal import Principal
from firewalker.runtime import tracing
from firewalker.runtime.grpc.admission import Admission
from firewalker.runtime.grpc.credentials import ServiceCredentials
from firewalker.runtime.grpc.faults import StreamTooOld
from firewalker.runtime.grpc.heads import read_timeout
from firewalker.runtime.grpc.measures import MEASURES, CallMeasures
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.grpc.rates import CallRates
from firewalker.runtime.grpc.status import OK, Outcome
from firewalker.runtime.revocation import SessionDoubts
from firewalker.runtime.tokens import AccessTokens

if TYPE_CHECKING:
    from firewalker.runtime.grpc.call import Call

_BEARER = b"bearer "

_BUGS = frozenset({Status.INTERNAL, Status.UNKNOWN, Status.DATA_LOSS, Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED})
"""Ends of calls that are a failure of this side's, in traces."""

_ROUTINE = "/grpc."
"""Health and reflection; their calls are logged at DEBUG."""


class Revocations(Protocol):
    """What the edge asks about ended sessions; `firewalker.runtime.revocation.RevocationView`."""

    def is_revoked(self, principal: Principal) -> bool:
        """Whether the principal's session has ended. A dictionary lookup."""

    def on_revoked(self, principal: Principal, callback: Callable[[], None]) -> Callable[[], None]:
        """Call *callback* once when it ends. Returns what takes the callback back."""


class Edge:
    """Admits calls and accounts for them. One for all ports of a process that verify the same things."""

    def __init__(
        self,
        *,
        tokens: AccessTokens | None = None,
        revocations: Revocations | None = None,
        services: ServiceCredentials | None = None,
        clock: Clock | None = None,
        measures: CallMeasures = MEASURES,
        admission: Admission | None = None,
        rates: CallRates | None = None,
    ) -> None:
        """Without *tokens* no method may ask for a user, without *services* none for a service.

        Without *admission* any number of calls runs at once, without *rates* anybody may call as often as they like.
        """
        self._tokens = tokens
        self._revocations = revocations
        self._services = services
        self._clock = clock or SystemClock()
        self._id_prefix = os.urandom(5).hex()
        self._id_number = itertools.count(1)
        self._log = structlog.get_logger("firewalker.grpc").bind()
        self._tells_calls = self._log.is_enabled_for(logging.INFO)
        self.measures = measures
        self.rates = rates
        self.doubts: SessionDoubts | None = None
        """Who judges calls while ended sessions are not heard of; without it what was heard before counts."""
        self._admission = admission

    def can_admit(self, caller: Caller) -> bool:
        """Whether calls of that kind can be told from others here; the server does not start otherwise."""
        if caller is Caller.USER:
            return self._tokens is not None
        if caller is Caller.SERVICE:
            return self._services is not None
        return True

    def new_request_id(self) -> str:
        """An id for a call that came without one; unique among processes, for looking up in logs."""
        return f"{self._id_prefix}-{next(self._id_number):x}"

    def begin(self, call: "Call") -> None:
        """Start *call* now or when there is room, or refuse it."""
        if self._admission is None:
            call.start()
        else:
            self._admission.enter(call)

    def admit(self, call: "Call") -> None:
        """Judge a call before its door sees it; fills in its deadline and who calls.

        Raises:
            Fault: It is refused.
        """
        rule = call.method.rule
        call.deadline = self._deadline(call, rule)
        if rule.caller is Caller.SERVICE:
            call.service = self._service(call.head.authorization)
        elif rule.caller is Caller.USER:
            call.principal = self._user(call.head.authorization)
        elif call.head.authorization:
            call.principal = self._user_if_valid(call.head.authorization)

    def in_doubt(self, call: "Call") -> bool:
        """Whether somebody has to be asked about the session of *call*, which was admitted."""
        return call.method.rule.caller is Caller.USER and self.doubts is not None and self.doubts.arise

    async def settle(self, call: "Call") -> None:
        """Ask about the session of a call that is in doubt.

        Raises:
            SessionRevoked, SessionStateUnknown: The call does not go on.
        """
        if self.doubts is not None and call.principal is not None:
            await self.doubts.settle(call.principal, sensitive=call.method.rule.sensitive)

    def watch(self, call: "Call") -> Callable[[], None]:
        """Offer a stream its end when its time is over, its access token expires or its session ends.

        Returns what stops watching.
        """
        self.measures.opened(call.method.path)
        undo: list[Callable[[], None]] = [lambda: self.measures.closed(call.method.path)]
        principal, rule = call.principal, call.method.rule
        left_s = rule.stream_s
        fault: type[Fault] = StreamTooOld
        if principal is not None and rule.caller is Caller.USER:
            # A second early: the stream is to be over when the token is (AUTH-07).
            token_s = (principal.expires - self._clock.now()).total_seconds() - 1.0
            if token_s < left_s:
                left_s, fault = max(0.0, token_s), AccessTokenExpired
            if self._revocations is not None:
                undo.append(self._revocations.on_revoked(principal, lambda: call.offer_end(SessionRevoked())))
        undo.append(asyncio.get_running_loop().call_later(left_s, call.offer_end, fault()).cancel)

        def unwatch() -> None:
            for step in undo:
                step()

        return unwatch

    def record(self, call: "Call", outcome: Outcome) -> None:
        """Account for a call that has ended."""
        now = monotonic()
        seconds = now - call.started
        if call.placed and self._admission is not None:
            # What was refused was quick, and a client that left says nothing: neither tells how long calls take.
            served = outcome is OK or outcome.status is Status.DEADLINE_EXCEEDED
            self._admission.leave(call, now - call.placed, served=served)
        method = call.method
        status = outcome.status.name
        self.measures.ended(method.path, status, outcome.reason, None if method.streaming else seconds)
        ids = call.ids
        if ids is not None:
            tracing.leave(ids, status, outcome.reason, failed=outcome.status in _BUGS)
        if not self._tells_calls:
            return
        # Balancers and supervisors ask for health all day long.
        log = self._log.debug if method.path.startswith(_ROUTINE) else self._log.info
        log(
            "call",
            method=method.path,
            status=status,
            reason=outcome.reason,
            ms=round(seconds * 1000, 2),
            request_id=call.request_id,
            trace_id=ids and ids.trace_id,
            user_id=call.principal and call.principal.user_id,
            service=call.service,
            network=self._network(call),
        )

    def _network(self, call: "Call") -> str | None:
        """Where it came from, of what concerns accounts: those calls can be audited (AUTH-39)."""
        rule = call.method.rule
        if self.rates is None or not (rule.sensitive or (rule.caller is Caller.PUBLIC and rule.rate is not None)):
            return None
        return self.rates.network_of(call)

    def record_refused(self, method: str, outcome_name: str, reason: str) -> None:
        """Account for a request that named no method of ours or was no call at all."""
        self.measures.ended(method, outcome_name, reason, None)
        self._log.info("refused", method=method, status=outcome_name, reason=reason)

    def report_bug(self, call: "Call", error: BaseException) -> None:
        """Log an error that is no fault. The client learns the request id alone."""
        self._log.error(
            "bug",
            method=call.method.path,
            request_id=call.request_id,
            trace_id=call.ids and call.ids.trace_id,
            exc_info=(type(error), error, error.__traceback__),
        )

    def _deadline(self, call: "Call", rule: Rule) -> float | None:
        limit_s = None if call.method.streaming else rule.deadline_s
        if call.head.timeout is not None:
            try:
                asked_s = read_timeout(call.head.timeout)
            except ValueError:
                raise InvalidRequest(violations=[Violation("grpc-timeout", "is not a duration")]) from None
            limit_s = asked_s if limit_s is None else min(asked_s, limit_s)
        if limit_s is None:
            return None
        at = call.started + limit_s
        if at <= monotonic():
            raise DeadlineExceeded
        return at

    def _user(self, authorization: bytes) -> Principal:
        if self._tokens is None or authorization[:7].lower() != _BEARER:
            raise Unauthenticated
        principal = self._tokens.verify(authorization[7:].decode("latin-1"))
        if self._revocations is not None and self._revocations.is_revoked(principal):
            raise SessionRevoked
        return principal

    def _user_if_valid(self, authorization: bytes) -> Principal | None:
        try:
            return self._user(authorization)
        except Fault:
            return None

    def _service(self, authorization: bytes) -> str:
        if self._services is None or authorization[:7].lower() != _BEARER:
            raise ServiceCredentialInvalid
        return self._services.verify(authorization[7:].decode("latin-1"))
