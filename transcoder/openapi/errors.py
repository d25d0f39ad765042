"""The schema of errors: ``google.rpc.Status`` and the details that clients act on."""

from __future__ import annotations

from typing import Any, Final

_DETAIL: Final = "type.googleapis.com/google.rpc."

_EXAMPLE: Final[dict[str, Any]] = {
    "code": 3,
    "message": "title: text is wanted",
    "details": [
        {"@type": _DETAIL + "ErrorInfo", "reason": "INVALID_FIELD", "domain": "firewalker", "metadata": {}},
        {
            "@type": _DETAIL + "BadRequest",
            "fieldViolations": [{"field": "title", "description": "text is wanted", "reason": "INVALID_FIELD"}],
        },
    ],
}

ERROR_COMPONENTS: Final[dict[str, dict[str, Any]]] = {
    "schemas": {
        "google.rpc.Status": {
            "type": "object",
            "description": "Why a call was refused.",
            "properties": {
                "code": {"type": "integer", "description": "The code of google/rpc/code.proto."},
                "message": {"type": "string", "description": "For developers; not stable."},
                "details": {
                    "type": "array",
                    "description": "`ErrorInfo` with the stable reason first; `BadRequest` names fields, `RetryInfo` "
                    "tells when to try again.",
                    "items": {
                        "type": "object",
                        "properties": {
                            "@type": {"type": "string"},
                            "reason": {"type": "string", "description": "Of ErrorInfo: stable, in capitals."},
                            "domain": {"type": "string", "description": "Of ErrorInfo: whose reason it is."},
                            "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
                            "fieldViolations": {
                                "type": "array",
                                "items": {
                                    "type": "object",
                                    "properties": {
                                        "field": {"type": "string", "description": "Path in JSON names."},
                                        "description": {"type": "string"},
                                        "reason": {"type": "string"},
                                    },
                                },
                            },
                            "retryDelay": {"type": "string", "description": "Of RetryInfo: seconds, like `1.5s`."},
                        },
                        "required": ["@type"],
                    },
                },
            },
            "required": ["code", "message", "details"],
        },
    },
    "responses": {
        "Error": {
            "description": "A refusal; the HTTP status is that of its code in google/rpc/code.proto.",
            "headers": {
                "X-Request-Id": {"schema": {"type": "string"}, "description": "Finds the call in the logs."},
                "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds, where RetryInfo is there."},
                "WWW-Authenticate": {"schema": {"type": "string"}, "description": "With 401."},
            },
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/google.rpc.Status"}, "example": _EXAMPLE}
            },
        },
    },
}
