"""FastAPI: a model, a dependency for the token, one endpoint. Started by `serving`."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from uuid import UUID

import jwt
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, Field

from tests.bench.peers.table import MOST_HOURLY, Table, Tokens


class Reading(BaseModel):
    """What a device has counted in an hour."""

    device_id: Annotated[str, Field(min_length=1, max_length=64)]
    date: date
    hour: Annotated[int, Field(ge=0, le=23)]
    steps: Annotated[int, Field(ge=0, le=MOST_HOURLY)]


class Answer(BaseModel):
    """The day after it."""

    verdict: str
    total: int


def app(table: Table, tokens: Tokens) -> FastAPI:
    """The service."""
    service = FastAPI()

    def user(authorization: Annotated[str, Header()]) -> UUID:
        try:
            return tokens.user_of(authorization)
        except jwt.InvalidTokenError:
            raise HTTPException(401) from None

    @service.post("/v1/steps")
    async def record(reading: Reading, user: Annotated[UUID, Depends(user)]) -> Answer:
        if reading.date > datetime.now(UTC).date() + timedelta(days=1):
            raise HTTPException(400, "the date is in the future")
        total = await table.record(user, reading.date, reading.device_id, reading.hour, reading.steps)
        return Answer(verdict="ACCEPTED", total=total)

    return service
