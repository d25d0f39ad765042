"""Asks Google what it says of every message of the emulator's table, by checks that send nothing, and compares.

    GOOGLE_APPLICATION_CREDENTIALS=service-account.json python -m tests.fcm_oracle

Compared are what a sender goes by: the status, the codes and the fields of an answer, and what the product makes of it.
Texts that differ are shown. Without a service account a second emulator stands in for Google: that proves this command alone.
"""

import argparse
import asyncio
import json
import os
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from firewalker.kernel.clock import SystemClock
from firewalker.notification.fcm.access_tokens import AccessTokens, NoAccessToken
from firewalker.notification.fcm.answers import classify
from firewalker.notification.fcm.client import GOOGLE
from firewalker.notification.fcm.credentials import CredentialsFile
from firewalker.runtime.config import ConfigError
from tests.fcm_oracle.cases import RIGHT, WRONG, Message, ours
from tests.support.emulator import google

CREDENTIALS = "GOOGLE_APPLICATION_CREDENTIALS"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a sender goes by in an answer."""

    status: int
    canonical: str
    codes: tuple[str, ...]
    fields: tuple[str, ...]
    meaning: str
    """Ours of it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Two answers to *message*: the emulator's first."""

    message: Message
    seen: tuple[Seen, Seen]
    texts: tuple[str, str]


class Oracle:
    """One that can be asked."""

    def __init__(self, client: httpx.AsyncClient, url: str, bearer: str) -> None:
        self._client = client
        self._url = url
        self._bearer = bearer

    async def check(self, message: Message) -> tuple[Seen, str]:
        """What it says of *message*, and in which words; nothing is sent."""
        body = {"message": message, "validate_only": True}
        answer = await self._client.post(self._url, json=body, headers={"authorization": f"Bearer {self._bearer}"})
        found: Any = answer.json() if answer.headers.get("content-type", "").startswith("application/json") else {}
        error = found.get("error", {})
        details = error.get("details", [])
        codes = tuple(sorted(detail["errorCode"] for detail in details if "errorCode" in detail))
        fields = {violation["field"] for detail in details for violation in detail.get("fieldViolations", ())}
        headers = {name.lower(): value for name, value in answer.headers.items()}
        meant = classify(answer.status_code, headers, answer.content, attempts=0, at=datetime.now(UTC))
        meaning = f"{meant.kind.value} {meant.scope.value} {meant.code}"
        seen = Seen(answer.status_code, error.get("status", "OK"), codes, tuple(sorted(fields)), meaning)
        return seen, error.get("message", "")


@asynccontextmanager
async def oracle(base_url: str, credentials: Path, ca_file: Path | None = None) -> AsyncIterator[Oracle]:
    """FCM at *base_url*, for the account in *credentials*.

    Raises:
        ConfigError: They are none.
        NoAccessToken: They are not good for a token.
    """
    account = CredentialsFile(credentials)
    tls = ssl.create_default_context(cafile=ca_file)
    async with httpx.AsyncClient(http1=False, http2=True, verify=tls, timeout=15, trust_env=False) as client:
        async with httpx.AsyncClient(verify=tls, timeout=15, trust_env=False) as oauth:
            token = await AccessTokens(account, oauth, SystemClock()).current()
        url = f"{base_url}/v1/projects/{account.current().project_id}/messages:send"
        yield Oracle(client, url, token.text)


async def differences(emulator: Oracle, other: Oracle, messages: Sequence[Message]) -> list[Difference]:
    """The messages of which the two say different things, in whatever words."""
    found = []
    for message in messages:
        (mine, text), (theirs, their_text) = await emulator.check(message), await other.check(message)
        if mine != theirs or text != their_text:
            found.append(Difference(message, (mine, theirs), (text, their_text)))
    return found


async def run(credentials: Path | None, console: Console) -> bool:
    """Whether the emulator agrees with whoever stands for Google."""
    messages = [message for message, *_ in WRONG] + RIGHT + ours()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fw-oracle-")))
        running = []
        for name in ("emulator", "stand-in"):
            (folder / name).mkdir()
            running.append(await stack.enter_async_context(google(folder / name)))
        emulator, stand_in = [
            await stack.enter_async_context(oracle(one.url, one.credentials, one.ca_file)) for one in running
        ]
        if credentials is None:
            console.print(f"{CREDENTIALS} names no service account: a second emulator stands in for Google,")
            console.print("which proves this command and nothing about Google.")
            other = stand_in
        else:
            other = await stack.enter_async_context(oracle(GOOGLE, credentials))
        found = await differences(emulator, other, messages)
    for difference in found:
        _show(difference, console)
    wrong = [difference for difference in found if difference.seen[0] != difference.seen[1]]
    console.print(
        f"{len(messages)} messages checked, {len(wrong)} judged differently, {len(found) - len(wrong)} in other words"
    )
    return not wrong


def _show(difference: Difference, console: Console) -> None:
    console.print(json.dumps(difference.message, ensure_ascii=False)[:300], markup=False)
    for name, seen, text in zip(("emulator", "the other"), difference.seen, difference.texts, strict=True):
        console.print(f"  {name}: {seen} {text[:200]!r}", markup=False)


def main() -> None:
    """Parse the arguments and run. The status is 1 if the two judge differently, 2 if Google could not be asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    named = os.environ.get(CREDENTIALS)
    try:
        good = asyncio.run(run(Path(named) if named else None, Console(soft_wrap=True)))
    except (ConfigError, NoAccessToken, httpx.HTTPError, OSError) as problem:
        Console(stderr=True).print(f"FCM could not be asked: {type(problem).__name__}: {problem}", markup=False)
        sys.exit(2)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
