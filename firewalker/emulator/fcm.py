"""FCM's side of one message: its checks in their order, what became of it, and its record."""

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from firewalker.emulator import bodies
from firewalker.emulator.bodies import Reply
from firewalker.emulator.checks import complaint
from firewalker.emulator.clock import VirtualClock
from firewalker.emulator.ledger import Ledger, digest
from firewalker.emulator.oauth import Account, TokenEndpoint
from firewalker.emulator.screen import Screen
from firewalker.emulator.scripts import ENDS, HIDES_ANSWER, NOT_TAKEN, OK, Behaviour, Script
from firewalker.emulator.shapes import normal

_SEND: Final = re.compile(r"/v1/projects/([^/]+)/messages:send")
_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9_.:\-]{6,4096}")
_MINUTE_S: Final = 60.0

_PLAIN: Final[Mapping[str, Callable[[], Reply]]] = {
    "unregistered": bodies.unregistered,
    "mismatch": bodies.mismatch,
    "third-party": bodies.third_party,
    "denied": bodies.permission_denied,
    "not-found": bodies.not_found,
    "500": bodies.internal,
    "slow": bodies.internal,
    "502": bodies.bad_gateway,
    "empty": lambda: Reply(200, b"{}", {"content-type": "application/json"}, accepted=True, outcome="empty"),
}
"""What some behaviours answer, whomever the message is for."""


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request, whichever version it came by."""

    method: str
    path: str
    authority: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What the connection has to do: send *reply*, in the way of *behaviour*. No reply: never answer."""

    reply: Reply | None
    behaviour: Behaviour = OK
    delay_s: float = 0.0


class Fcm:
    """One project's FCM and the token endpoint before it."""

    def __init__(self, account: Account, ledger: Ledger) -> None:
        self.clock = VirtualClock()
        self.script = Script()
        self.screen = Screen()
        self.ledger = ledger
        self.tokens = TokenEndpoint(account, self.clock, self.script)
        self._account = account
        self._gone: set[str] = set()
        self._minute, self._used = float("-inf"), 0

    def reset(self) -> None:
        """Forget scripts, records and screens; tokens stay good."""
        fresh = Script()
        for name in (
            "targets",
            "every",
            "token",
            "quota_a_minute",
            "retry_after",
            "latency_s",
            "denied",
            "seen",
            "dice",
        ):
            setattr(self.script, name, getattr(fresh, name))
        self.ledger.clear()
        self.screen.clear()
        self._gone.clear()
        self._minute, self._used = float("-inf"), 0

    def answer(self, request: Request) -> Answer:
        """The answer to *request*. What it says of a message is in the ledger when this returns."""
        if not request.authority:
            return Answer(Reply(400, b"", outcome="no_authority"))
        path = request.path.partition("?")[0]
        if request.method == "POST" and path == "/token":
            return Answer(self.tokens.answer(request.headers.get("content-type", ""), request.body))
        found = _SEND.fullmatch(path)
        if found is None or request.method != "POST" or found[1] != self._account.project_id:
            return Answer(self._noted(request, found[1] if found else "", {}, bodies.not_found()))
        return self._send(request, found[1])

    def _send(self, request: Request, project: str) -> Answer:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self.tokens.is_good(token):
            return Answer(self._noted(request, project, {}, bodies.unauthenticated()))
        if self.script.denied:
            return Answer(self._noted(request, project, {}, bodies.permission_denied()))
        try:
            parsed = json.loads(request.body)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            wrong = bodies.invalid("Invalid JSON payload received. Unexpected token.", "")
            return Answer(self._noted(request, project, {}, wrong))
        asked, wrong_shape = normal(parsed)
        message: dict[str, Any] = asked.get("message", {})
        refusal = wrong_shape or complaint(message) or self._over_quota()
        if refusal is not None:
            return Answer(self._noted(request, project, message, refusal), delay_s=self.script.latency_s)
        return self._deliver(request, project, message, validate_only=bool(asked.get("validate_only")))

    def _deliver(self, request: Request, project: str, message: dict[str, Any], *, validate_only: bool) -> Answer:
        kind = next(name for name in ("token", "fid", "topic", "condition") if message.get(name))
        target = message[kind]
        behaviour = OK if validate_only and target not in self.script.targets else self.script.next(target)
        delay_s = self.script.latency_s
        if behaviour.name == "slow":
            delay_s += behaviour.number
        reply = self._reply(behaviour, project, kind, target)
        if validate_only and reply.accepted:
            reply = replace(bodies.accepted(project, "fake_message_id"), accepted=False, outcome="validated")
        if behaviour.name in NOT_TAKEN:
            reply = replace(reply, accepted=False, outcome=behaviour.name)
        unknown = behaviour.name in HIDES_ANSWER | {"close"}
        fault = behaviour.name if behaviour.name in ENDS else ""
        self._noted(request, project, message, reply, fault=fault, unknown=unknown, validate_only=validate_only)
        if reply.accepted:
            self.screen.show(digest(target), message, self.clock.now())
        return Answer(reply, behaviour if behaviour.name in ENDS else OK, delay_s)

    def _reply(self, behaviour: Behaviour, project: str, kind: str, target: str) -> Reply:
        """The answer that the behaviour asks for, else the one that the registration deserves."""
        good = bodies.accepted(project, f"0:{int(self.clock.now() * 1e6)}%{secrets.token_hex(8)}")
        if behaviour.name == "unregistered-once":
            first = target not in self._gone
            self._gone.add(target)
            return bodies.unregistered() if first else good
        if behaviour.name == "flaky":
            return bodies.unavailable(None) if self.script.dice.random() < behaviour.number else good
        answers: Mapping[str, Callable[[], Reply]] = {
            "malformed": lambda: bodies.malformed_token(kind),
            "quota-device": lambda: bodies.quota(f"device:{digest(target)}", behaviour.argument or None),
            "quota-project": lambda: bodies.quota(f"project:{project}", behaviour.argument or None),
            "429": lambda: bodies.quota(f"project:{project}", behaviour.argument or None),
            "503": lambda: bodies.unavailable(behaviour.argument or None),
            **_PLAIN,
        }
        if behaviour.name in answers:
            return answers[behaviour.name]()
        if not _WELL_FORMED.fullmatch(target) or target in {"not-a-token", "not-a-fid"}:
            # An installation id that is none is as good as gone; that is how the real one answers.
            return {"token": lambda: bodies.malformed_token(kind), "fid": bodies.unregistered}.get(kind, lambda: good)()
        return good

    def _over_quota(self) -> Reply | None:
        """The project's quota of a minute, which begins with the first message in it."""
        now = self.clock.now()
        if now - self._minute >= _MINUTE_S:
            self._minute, self._used = now, 0
        self._used += 1
        if self._used <= self.script.quota_a_minute:
            return None
        return bodies.quota(f"project:{self._account.project_id}", self.script.retry_after)

    def _noted(
        self,
        request: Request,
        project: str,
        message: Mapping[str, Any],
        reply: Reply,
        *,
        fault: str = "",
        unknown: bool = False,
        validate_only: bool = False,
    ) -> Reply:
        android, apns, web = (message.get(name, {}) for name in ("android", "apns", "webpush"))
        headers = apns.get("headers", {})
        tag = android.get("notification", {}).get("tag") or headers.get("apns-collapse-id")
        self.ledger.write(
            {
                "time": self.clock.now(),
                "project": project,
                "target": digest(str(message.get("token") or message.get("fid") or "")),
                "nid": message.get("data", {}).get("nid", ""),
                "tag": tag or web.get("notification", {}).get("tag", ""),
                "priority": android.get("priority") or headers.get("apns-priority", ""),
                "ttl": android.get("ttl") or headers.get("apns-expiration") or web.get("headers", {}).get("TTL", ""),
                "connection": request.connection,
                "outcome": reply.outcome,
                "accepted": reply.accepted,
                "fault": fault,
                "unknown": unknown or reply.outcome == "empty",
                "validate_only": validate_only,
                "retry_after": reply.headers.get("retry-after", ""),
                "body": hashlib.sha256(request.body).hexdigest(),
            }
        )
        return reply
