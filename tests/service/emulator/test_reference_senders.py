"""The emulator is kept honest: Google's own sender and another find in it what they expect of FCM."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from tests.support.emulator import google

GOOD = "a-good-token"
EXPECTED = {
    "firebase-admin": {
        GOOD: "ok",
        "unregistered.token": "UnregisteredError",
        "mismatch.token": "SenderIdMismatchError",
        "third-party.token": "ThirdPartyAuthError",
        "quota-device.token": "QuotaExceededError",
        "malformed.token": "InvalidArgumentError",
    },
    "async-firebase": {
        GOOD: "ok",
        "unregistered.token": "UnregisteredError",
        "mismatch.token": "SenderIdMismatchError",
        "third-party.token": "ThirdPartyAuthError",
        "quota-device.token": "QuotaExceededError",
        "malformed.token": "InvalidArgumentError",
    },
}


@pytest.mark.parametrize("sender", EXPECTED)
async def test_other_senders_understand_the_emulator(sender: str, tmp_path: Path) -> None:
    async with google(tmp_path) as running:
        trusted = {name: str(running.ca_file) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")}
        tokens = list(EXPECTED[sender])
        program = [
            sys.executable,
            "-m",
            "tests.support.reference_senders",
            sender,
            str(running.credentials),
            running.url,
        ]
        process = await asyncio.create_subprocess_exec(
            *program,
            *tokens,
            env={**os.environ, **trusted},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, errors.decode()[-2000:]
        assert json.loads(out) == EXPECTED[sender]
        assert [record.accepted for record in running.records].count(True) == 1
