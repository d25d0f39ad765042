"""What tests ask of answers, and a way to ask that httpx does not tidy up."""

from __future__ import annotations

from typing import Any

import httpx


def reason(response: httpx.Response) -> str:
    body = response.json()
    assert response.headers["content-type"] == "application/json"
    assert isinstance(body["message"], str)
    return str(body["details"][0]["reason"])


def field(response: httpx.Response) -> str:
    return str(response.json()["details"][1]["fieldViolations"][0]["field"])


async def echoed(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    response = await client.get(url)
    assert response.status_code == 200, response.text
    book: dict[str, Any] = response.json()["book"]
    return book


def violations(response: httpx.Response) -> list[tuple[str, str]]:
    assert response.status_code == 400
    return [(each["field"], each["reason"]) for each in response.json()["details"][1]["fieldViolations"]]


def raw(client: httpx.AsyncClient, target: bytes) -> httpx.Request:
    """A request whose target httpx does not normalise."""
    request = client.build_request("GET", "/")
    request.url = _RawUrl(target)
    return request


class _RawUrl(httpx.URL):
    def __init__(self, target: bytes) -> None:
        super().__init__("http://transcoder/")
        self._target = target

    @property
    def raw_path(self) -> bytes:
        return self._target

    @property
    def path(self) -> str:
        return self._target.partition(b"?")[0].decode("latin-1")

    @property
    def query(self) -> bytes:
        return self._target.partition(b"?")[2]
