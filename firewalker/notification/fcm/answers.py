"""What an answer of FCM means: one total function over everything that can come back, or not come back."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus
from typing import Any, Final

SHORTEST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(hours=1)
"""Bounds of what Retry-After may ask for, and of waits of our own."""

_QUOTA_WAIT = timedelta(seconds=60)
"""First wait after a 429 that names none (FCM documentation)."""

_ERROR_WAIT = timedelta(seconds=10)
"""First wait after a 500, a 503 or no answer (FCM documentation)."""

_GATEWAY_WAIT = timedelta(seconds=30)
"""What Google's 502 page asks for."""

_SPREAD = 0.2
"""Waits are longer by up to this part of them, never shorter."""

_FCM_ERROR: Final = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"
_QUOTA_FAILURE: Final = "type.googleapis.com/google.rpc.QuotaFailure"
_INVALID_TOKEN: Final = "The registration token is not a valid FCM registration token"  # noqa: S105 - FCM's words
_TARGETS: Final = frozenset({"message.token", "message.fid"})


QUOTA_EXCEEDED: Final = "quota_exceeded"
"""The code of an answer that asks for a slower pace: of a device's messages, or of the whole project's."""


LOCAL: Final = "local:"
"""How the code of an answer begins that was given here, for a message that FCM would not take."""

NO_ACCESS_TOKEN: Final = "no_access_token"  # noqa: S105 - a word for logs
"""The code of an answer that was given here because there is nothing to ask FCM with."""


class Kind(Enum):
    """What is to be done."""

    ACCEPTED = "accepted"
    GONE = "gone"
    """The registration is no more: prune it."""
    REFUSED = "refused"
    """FCM will never take this message: our mistake, for people to look at."""
    LATER = "later"
    """FCM asks for patience."""
    UNKNOWN = "unknown"
    """It may have been sent or not: again, under the same tag."""
    UNAUTHENTICATED = "unauthenticated"
    """The access token was not good: another one, once."""
    PARKED = "parked"
    """Nothing will be taken until somebody mends something: stop asking, keep the messages."""
    WITHHELD = "withheld"
    """FCM was not asked: it was not to be sent any more."""


class Scope(Enum):
    """What an answer says something about."""

    MESSAGE = "message"
    DEVICE = "device"
    PLATFORM = "platform"
    PROJECT = "project"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, understood. *code* is a word for logs and metrics, never text of FCM's."""

    kind: Kind
    scope: Scope
    code: str
    wait: timedelta | None = None
    """How long not to ask again, at least; None where it is not to be asked again or at once."""

    @property
    def is_of_fcm(self) -> bool:
        """Whether FCM gave it: what is answered here says nothing of how FCM is."""
        return self.code != NO_ACCESS_TOKEN and not self.code.startswith(LOCAL)

    @property
    def prune(self) -> bool:
        """Whether the registration is to be removed."""
        return self.kind is Kind.GONE


def no_answer(cause: str, attempts: int) -> Answer:
    """Nothing came, or nothing whole: a time-out, a reset, a GOAWAY. *attempts* were made before."""
    return Answer(Kind.UNKNOWN, Scope.MESSAGE, cause, _growing(_ERROR_WAIT, attempts))


def classify(status: int, headers: Mapping[str, str], body: bytes, *, attempts: int, at: datetime) -> Answer:
    """What FCM means by this answer to a message that was tried *attempts* times before, at the moment *at*.

    *headers* are by lower-case name. Never fails, whatever the answer is; prunes on evidence about the registration alone.
    """
    found = _parsed(body)
    error = found.get("error")
    error = error if isinstance(error, dict) else {}
    code, details = _code(error), _details(error)
    if status == HTTPStatus.OK:
        if isinstance(found.get("name"), str) and found["name"]:
            return Answer(Kind.ACCEPTED, Scope.MESSAGE, "accepted")
        return Answer(Kind.UNKNOWN, Scope.MESSAGE, "ok_without_name", _growing(_ERROR_WAIT, attempts))
    if status == HTTPStatus.BAD_REQUEST:
        return _bad_request(error, details)
    if final := _FINAL.get((status, code)) or _FINAL.get((status, "")):
        return final
    return _waiting(status, details, attempts, _retry_after(headers, at))


_FINAL: Final[Mapping[tuple[int, str], Answer]] = {
    (401, "THIRD_PARTY_AUTH_ERROR"): Answer(Kind.PARKED, Scope.PLATFORM, "third_party_auth_error"),
    (401, "APNS_AUTH_ERROR"): Answer(Kind.PARKED, Scope.PLATFORM, "third_party_auth_error"),
    (401, ""): Answer(Kind.UNAUTHENTICATED, Scope.PROJECT, "unauthenticated"),
    (403, "SENDER_ID_MISMATCH"): Answer(Kind.GONE, Scope.DEVICE, "sender_id_mismatch"),
    (403, ""): Answer(Kind.PARKED, Scope.PROJECT, "permission_denied"),
    (404, "UNREGISTERED"): Answer(Kind.GONE, Scope.DEVICE, "unregistered"),
    # A wrong project or address; taken for gone registrations it would empty the registry.
    (404, ""): Answer(Kind.PARKED, Scope.PROJECT, "not_found"),
}
"""What asking again would not change, by status and FcmError; without a code: with any other, or none."""


def _waiting(status: int, details: list[Mapping[str, Any]], attempts: int, asked: timedelta | None) -> Answer:
    """What asking again may change, later."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        scope = Scope.DEVICE if _of_device(details) else Scope.PROJECT
        return Answer(Kind.LATER, scope, QUOTA_EXCEEDED, asked or _growing(_QUOTA_WAIT, attempts))
    if status == HTTPStatus.BAD_GATEWAY:
        return Answer(Kind.LATER, Scope.MESSAGE, "bad_gateway", asked or _growing(_GATEWAY_WAIT, attempts))
    if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Answer(Kind.LATER, Scope.MESSAGE, f"http_{status}", asked or _growing(_ERROR_WAIT, attempts))
    if status >= HTTPStatus.BAD_REQUEST:
        return Answer(Kind.REFUSED, Scope.MESSAGE, f"http_{status}")
    return Answer(Kind.UNKNOWN, Scope.MESSAGE, f"http_{status}", _growing(_ERROR_WAIT, attempts))


def _bad_request(error: Mapping[str, Any], details: list[Mapping[str, Any]]) -> Answer:
    """The registration is to blame only where the answer says so; else the message is, whoever it was for."""
    fields = [
        violation.get("field")
        for detail in details
        if detail.get("@type") == _BAD_REQUEST and isinstance(detail.get("fieldViolations"), list)
        for violation in detail["fieldViolations"]
        if isinstance(violation, dict)
    ]
    message = error.get("message")
    says_so = isinstance(message, str) and message.startswith(_INVALID_TOKEN)
    if says_so or (fields and all(isinstance(field, str) and field in _TARGETS for field in fields)):
        return Answer(Kind.GONE, Scope.DEVICE, "invalid_registration")
    return Answer(Kind.REFUSED, Scope.MESSAGE, "invalid_argument")


def _parsed(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _details(error: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    details = error.get("details")
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _code(error: Mapping[str, Any]) -> str:
    for detail in _details(error):
        if detail.get("@type") == _FCM_ERROR and isinstance(detail.get("errorCode"), str):
            return str(detail["errorCode"])
    return ""


def _of_device(details: list[Mapping[str, Any]]) -> bool:
    """Whether the quota is a device's own; one that does not say so is the project's."""
    subjects = [
        str(violation.get("subject", "")).lower()
        for detail in details
        if detail.get("@type") == _QUOTA_FAILURE and isinstance(detail.get("violations"), list)
        for violation in detail["violations"]
        if isinstance(violation, dict)
    ]
    return bool(subjects) and all("device" in subject or "token" in subject for subject in subjects)


def _retry_after(headers: Mapping[str, str], at: datetime) -> timedelta | None:
    """Seconds or a date, within bounds, and somewhat more; None if there is none that can be read."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        wait = timedelta(seconds=min(int(text[:9]), LONGEST_WAIT.total_seconds()))
    else:
        try:
            until = parsedate_to_datetime(text)
            wait = until.replace(tzinfo=until.tzinfo or UTC) - at
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
    return _spread(min(LONGEST_WAIT, max(SHORTEST_WAIT, wait)))


def _growing(first: timedelta, attempts: int) -> timedelta:
    return _spread(min(LONGEST_WAIT, first * 2 ** min(attempts, 12)))


def _spread(wait: timedelta) -> timedelta:
    """Somewhat longer, so that what failed together does not come back together; never shorter."""
    return wait * (1 + random.uniform(0, _SPREAD))  # noqa: S311 - spreads, protects nothing
