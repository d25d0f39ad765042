"""Google's own sender and another that people use, as programs: what they make of the emulator's answers.

    python -m tests.support.reference_senders firebase-admin|async-firebase ACCOUNT_FILE BASE_URL TOKEN…

Prints a JSON object: for each token what came of it, `ok` or the name of the error. Programs of their own, because both read
the authorities that they trust from the environment.
"""

from __future__ import annotations

import asyncio
import json
import sys
import warnings

import firebase_admin
from firebase_admin import credentials, messaging


def firebase(account: str, base_url: str, tokens: list[str]) -> dict[str, str]:
    """One by one, over HTTP/1.1."""
    app = firebase_admin.initialize_app(credentials.Certificate(account))
    service = messaging._get_messaging_service(app)
    service._fcm_url = f"{base_url}/v1/projects/{app.project_id}/messages:send"
    found = {}
    for token in tokens:
        message = messaging.Message(
            token=token, notification=messaging.Notification("title", "body"), data={"nid": token}
        )
        try:
            messaging.send(message, app=app)
        except Exception as error:  # noqa: BLE001 - its name is the answer
            found[token] = type(error).__name__
        else:
            found[token] = "ok"
    return found


async def async_firebase(account: str, base_url: str, tokens: list[str]) -> dict[str, str]:
    """The asynchronous library, over HTTP/2; its addresses are constants of its own."""
    from async_firebase import AsyncFirebaseClient, _credentials, base  # noqa: PLC0415
    from async_firebase.messages import Message, Notification  # noqa: PLC0415

    base.AsyncClientBase.BASE_URL = base_url
    _credentials.TOKEN_URL = f"{base_url}/token"
    client = AsyncFirebaseClient(use_http2=True)
    client.creds_from_service_account_file(account)
    found = {}
    for token in tokens:
        message = Message(token=token, notification=Notification(title="title", body="body"), data={"nid": token})
        response = await client.send(message)
        found[token] = "ok" if response.success else type(response.exception).__name__
    await client.close()
    return found


def main() -> None:
    """Run one of them."""
    which, account, base_url, *tokens = sys.argv[1:]
    warnings.simplefilter("ignore")
    if which == "firebase-admin":
        print(json.dumps(firebase(account, base_url, tokens)))  # noqa: T201 - its output
    else:
        print(json.dumps(asyncio.run(async_firebase(account, base_url, tokens))))  # noqa: T201 - its output


if __name__ == "__main__":
    main()
