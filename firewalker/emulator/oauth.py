"""The token endpoint: assertions in, access tokens out, as strictly as Google."""

import json
import secrets
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from firewalker.emulator import bodies
from firewalker.emulator.bodies import Reply
from firewalker.emulator.clock import VirtualClock
from firewalker.emulator.scripts import Script

AUDIENCE: Final = "https://oauth2.googleapis.com/token"
LIVES_S: Final = 3_599
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SCOPES: Final = frozenset(
    {"https://www.googleapis.com/auth/firebase.messaging", "https://www.googleapis.com/auth/cloud-platform"}
)
_JSON: Final = {"content-type": "application/json; charset=UTF-8"}
_SHORT_LIVED: Final = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp "
    "values in the JWT claim."
)


@dataclass(frozen=True, slots=True)
class Account:
    """The public side of the service account that is let in."""

    project_id: str
    client_email: str
    key_id: str
    token_uri: str
    public_key: Any

    @classmethod
    def parse(cls, content: bytes) -> "Account":
        """Read a service account's file.

        Raises:
            ValueError, KeyError: It is none.
        """
        found = json.loads(content)
        private = load_pem_private_key(found["private_key"].encode(), None)
        if not isinstance(private, RSAPrivateKey):
            raise ValueError("not an RSA key")  # noqa: TRY004 - what is wrong is the file, not a type
        return cls(
            found["project_id"],
            found["client_email"],
            found["private_key_id"],
            found["token_uri"],
            private.public_key(),
        )


class TokenEndpoint:
    """Gives tokens to *account*, and knows which it gave."""

    def __init__(self, account: Account, clock: VirtualClock, script: Script) -> None:
        self._account = account
        self._clock = clock
        self._script = script
        self._given: dict[str, float] = {}
        self.asked = 0
        """How often somebody asked."""

    def is_good(self, token: str) -> bool:
        """Whether *token* was given and has not expired."""
        return self._given.get(token, 0.0) > self._clock.now()

    def revoke_all(self) -> None:
        """No token that was given is good any more."""
        self._given.clear()

    def answer(self, content_type: str, body: bytes) -> Reply | None:
        """The answer to a request for a token; None: never."""
        self.asked += 1
        step, _, argument = self._script.next_token_step().partition(":")
        match step:
            case "hang":
                return None
            case "html":
                return Reply(200, bodies.HTML_502, {"content-type": "text/html"}, outcome="html")
            case "invalid_grant":
                return bodies.oauth_error(400, "invalid_grant", "Invalid JWT Signature.")
            case "429" | "500" | "503":
                return bodies.oauth_error(int(step), "internal_failure", "Backend Error")
        return self._refusal(content_type, body) or self._give(step, argument)

    def _give(self, step: str, argument: str) -> Reply:
        token = f"ya29.test-{secrets.token_urlsafe(48)}"
        lives_s = int(argument) if step == "short" else LIVES_S
        self._given[token] = self._clock.now() + lives_s
        answer: dict[str, Any] = {"access_token": token, "expires_in": lives_s, "token_type": "Bearer"}
        if step == "string":
            answer["expires_in"] = str(lives_s)
        if step == "missing":
            del answer["access_token"]
        return Reply(200, json.dumps(answer).encode(), _JSON, outcome="token")

    def _refusal(self, content_type: str, body: bytes) -> Reply | None:
        if not content_type.startswith("application/x-www-form-urlencoded"):
            return bodies.oauth_error(400, "invalid_request", "Bad Request")
        form = parse_qs(body.decode("latin-1"))
        if form.get("grant_type") != [_GRANT] or len(form.get("assertion", [])) != 1:
            return bodies.oauth_error(400, "unsupported_grant_type", "Invalid grant_type")
        try:
            header = jwt.get_unverified_header(form["assertion"][0])
            claims = jwt.decode(
                form["assertion"][0],
                self._account.public_key,
                algorithms=["RS256"],
                options={"verify_aud": False, "verify_exp": False, "verify_iat": False},
            )
        except jwt.PyJWTError:
            return bodies.oauth_error(400, "invalid_grant", "Invalid JWT Signature.")
        return self._claims_refused(header, claims)

    def _claims_refused(self, header: dict[str, Any], claims: dict[str, Any]) -> Reply | None:
        if header.get("kid") not in {None, self._account.key_id}:
            return bodies.oauth_error(400, "invalid_grant", "Invalid JWT Signature.")
        if claims.get("iss") != self._account.client_email:
            return bodies.oauth_error(400, "invalid_grant", "Invalid grant: account not found")
        if claims.get("aud") not in {AUDIENCE, self._account.token_uri}:
            return bodies.oauth_error(400, "invalid_grant", "Invalid JWT: Failed audience check.")
        issued, expires = claims.get("iat"), claims.get("exp")
        in_time = (
            isinstance(issued, int | float)
            and isinstance(expires, int | float)
            and issued <= self._clock.now() + 60
            and self._clock.now() < expires <= issued + 3_600
        )
        if not in_time:
            return bodies.oauth_error(400, "invalid_grant", _SHORT_LIVED)
        if not _SCOPES & set(str(claims.get("scope", "")).split()):
            return bodies.oauth_error(400, "invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        return None
