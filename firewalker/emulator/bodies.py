"""FCM's answers, word for word: as recorded from the real service by the Pushiko project, and from Google's reference."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

FCM_ERROR: Final = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"
QUOTA_FAILURE: Final = "type.googleapis.com/google.rpc.QuotaFailure"
ERROR_INFO: Final = "type.googleapis.com/google.rpc.ErrorInfo"

HTML_502: Final = (
    b"<!DOCTYPE html>\n<html lang=en>\n<meta charset=utf-8>\n<title>Error 502 (Server Error)!!1</title>\n"
    b"<a href=//www.google.com/><span id=logo aria-label=Google></span></a>\n<p><b>502.</b> <ins>That&rsquo;s an error.</ins>\n"
    b"<p>The server encountered a temporary error and could not complete your request.<p>Please try again in 30 seconds.  "
    b"<ins>That&rsquo;s all we know.</ins>\n"
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    accepted: bool = False
    """Whether the message reaches its device."""
    outcome: str = ""
    """A word for the ledger."""


def reply(
    status: int,
    canonical: str,
    message: str,
    details: Sequence[Mapping[str, Any]] = (),
    *,
    outcome: str = "",
    retry_after: str | None = None,
) -> Reply:
    """An error as Google's APIs give it."""
    error: dict[str, Any] = {"code": status, "message": message, "status": canonical}
    if details:
        error["details"] = list(details)
    headers = {"content-type": "application/json; charset=UTF-8"}
    if retry_after is not None:
        headers["retry-after"] = retry_after
    body = json.dumps({"error": error}, indent=2, ensure_ascii=False).encode()
    return Reply(status, body, headers, outcome=outcome or canonical.lower())


def fcm_error(code: str) -> dict[str, Any]:
    """The detail that FCM's own code is in."""
    return {"@type": FCM_ERROR, "errorCode": code}


def bad_field(name: str, description: str) -> dict[str, Any]:
    """The detail that names a field."""
    return {"@type": BAD_REQUEST, "fieldViolations": [{"field": name, "description": description}]}


def accepted(project: str, message_id: str) -> Reply:
    """It was taken."""
    body = json.dumps({"name": f"projects/{project}/messages/{message_id}"}, indent=2).encode()
    return Reply(200, body, {"content-type": "application/json; charset=UTF-8"}, accepted=True, outcome="accepted")


def not_found() -> Reply:
    """There is no such project, or no such address."""
    return reply(404, "NOT_FOUND", "Requested entity was not found.", outcome="wrong_project")


def unauthenticated() -> Reply:
    """The access token is missing, unknown or expired."""
    message = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    info = {
        "@type": ERROR_INFO,
        "reason": "ACCESS_TOKEN_EXPIRED",
        "domain": "googleapis.com",
        "metadata": {"service": "fcm.googleapis.com", "method": "google.firebase.fcm.v1.FcmService.SendMessage"},
    }
    return reply(401, "UNAUTHENTICATED", message, [info])


def permission_denied() -> Reply:
    """The account may not send."""
    return reply(403, "PERMISSION_DENIED", "Permission 'cloudmessaging.messages.create' denied on resource.")


def invalid(message: str, field_name: str, description: str | None = None) -> Reply:
    """A field is wrong."""
    details = [bad_field(field_name, description or message)]
    return reply(400, "INVALID_ARGUMENT", message, details)


def invalid_by_fcm(message: str, field_name: str) -> Reply:
    """A field is wrong in FCM's own eyes."""
    return reply(400, "INVALID_ARGUMENT", message, [bad_field(field_name, message), fcm_error("INVALID_ARGUMENT")])


def too_big() -> Reply:
    """The message is too large. No details: that is how it is."""
    return reply(400, "INVALID_ARGUMENT", "Request contains an invalid argument.", outcome="too_big")


def malformed_token(target: str = "token") -> Reply:
    """The registration is none."""
    details = [fcm_error("INVALID_ARGUMENT"), bad_field(f"message.{target}", "Invalid registration token")]
    message = "The registration token is not a valid FCM registration token"
    return reply(400, "INVALID_ARGUMENT", message, details, outcome="malformed")


def unregistered() -> Reply:
    """The registration is no more."""
    message = "Requested entity was not found."
    return reply(404, "NOT_FOUND", message, [fcm_error("UNREGISTERED")], outcome="unregistered")


def mismatch() -> Reply:
    """The registration is of another project."""
    return reply(403, "PERMISSION_DENIED", "SenderId mismatch", [fcm_error("SENDER_ID_MISMATCH")], outcome="mismatch")


def third_party() -> Reply:
    """Apple's or the browser's key is missing or wrong."""
    message = "Auth error from APNS or Web Push Service"
    return reply(401, "UNAUTHENTICATED", message, [fcm_error("THIRD_PARTY_AUTH_ERROR")], outcome="third_party")


def quota(subject: str, retry_after: str | None) -> Reply:
    """Too many: of *subject*, a device or the project."""
    failure = {"@type": QUOTA_FAILURE, "violations": [{"subject": subject, "description": "Message rate exceeded"}]}
    message = "Message sending quota exceeded."
    details = [fcm_error("QUOTA_EXCEEDED"), failure]
    return reply(429, "RESOURCE_EXHAUSTED", message, details, outcome="quota", retry_after=retry_after)


def internal() -> Reply:
    """It failed."""
    return reply(500, "INTERNAL", "Internal error encountered.", [fcm_error("INTERNAL")])


def unavailable(retry_after: str | None) -> Reply:
    """It is overloaded."""
    message = "The service is currently unavailable."
    return reply(503, "UNAVAILABLE", message, [fcm_error("UNAVAILABLE")], retry_after=retry_after)


def bad_gateway() -> Reply:
    """The front end found nobody behind it."""
    return Reply(502, HTML_502, {"content-type": "text/html; charset=UTF-8"}, outcome="bad_gateway")


def oauth_error(status: int, error: str, description: str) -> Reply:
    """A refusal of the token endpoint."""
    body = json.dumps({"error": error, "error_description": description}).encode()
    return Reply(status, body, {"content-type": "application/json; charset=utf-8"}, outcome=error)
