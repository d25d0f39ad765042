"""What PyJWT takes for a good token unless it is told better: each is what `runtime/tokens.py` refuses (`test_tokens.py`)."""

from typing import Any

import jwt
import pytest

from firewalker.kernel.faults import Unauthenticated
from firewalker.runtime.tokens import ALGORITHM, AUDIENCE, ISSUER, AccessTokens
from tests.support.clock import NOON, FakeClock
from tests.support.signing import Signer

SIGNER = Signer()
SURPRISES: dict[str, dict[str, Any]] = {
    "without an expiry": {"exp": None},
    "for thousands of years": {"exp": 10**11},
    "of another type": {"typ": "JWT"},
    "for others too": {"aud": [AUDIENCE, "another"]},
}


@pytest.mark.requirement("M16")
@pytest.mark.parametrize("surprise", SURPRISES)
def test_pyjwt_takes_what_ours_refuses(surprise: str) -> None:
    changes = dict(SURPRISES[surprise])
    header = {"typ": changes.pop("typ")} if "typ" in changes else {}
    token = SIGNER.sign(SIGNER.claims(NOON, **changes), **header)
    # The clock is not what this is about.
    options: Any = {"verify_exp": surprise == "for thousands of years"}
    key = SIGNER.private_key.public_key()
    assert jwt.decode(token, key, [ALGORITHM], audience=AUDIENCE, issuer=ISSUER, options=options)["sub"]
    with pytest.raises(Unauthenticated):
        AccessTokens(SIGNER.ring(), clock=FakeClock()).verify(token)
