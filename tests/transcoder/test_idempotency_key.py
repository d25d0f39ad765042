"""`Idempotency-Key` is the request's own `request_id`, where its message has one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.transcoder.conftest import client_of
from transcoder.app import Transcoder


async def order(client: httpx.AsyncClient, key: str, body: dict[str, Any] | None = None) -> httpx.Response:
    return await client.post("/v1/orders", json=body or {"book": "b"}, headers={"idempotency-key": key})


@pytest.mark.parametrize(("key", "shown"), [("k-1", "k-1"), ('"k-1"', "k-1"), (' "k-1" ', "k-1"), ('k"', 'k"')])
async def test_the_key_fills_the_request_id(client: httpx.AsyncClient, key: str, shown: str) -> None:
    assert (await order(client, key)).json() == {"book": "b", "requestId": shown}


async def test_the_key_may_repeat_the_request_id_but_not_contradict_it(client: httpx.AsyncClient) -> None:
    assert (await order(client, "k", {"requestId": "k"})).json()["requestId"] == "k"
    response = await order(client, "k", {"requestId": "other"})
    assert response.status_code == 400
    assert response.json()["details"][1]["fieldViolations"][0]["field"] == "requestId"


async def test_the_key_counts_where_the_rule_has_no_body(client: httpx.AsyncClient) -> None:
    headers = {"idempotency-key": "k"}
    assert (await client.put("/v1/orders/b", headers=headers)).json() == {"book": "b", "requestId": "k"}
    assert (await client.put("/v1/orders/b?requestId=k", headers=headers)).status_code == 200
    assert (await client.put("/v1/orders/b?requestId=j", headers=headers)).status_code == 400


async def test_a_message_without_the_field_sees_the_key_as_metadata_alone(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/echo", headers={"idempotency-key": "k"})
    assert "idempotency-key=k" in response.json()["metadata"]


async def test_the_field_is_a_matter_of_configuration(app_with: Callable[..., Transcoder]) -> None:
    async with client_of(app_with(request_id_field="")) as client:
        assert (await order(client, "k")).json()["requestId"] == ""
    async with client_of(app_with(request_id_field="book")) as client:
        assert (await order(client, "k", {"requestId": "x"})).json() == {"book": "k", "requestId": "x"}
