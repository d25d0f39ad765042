"""What both peers do with a reading: check the token, check the reading, upsert it, commit, and tell the day's total."""

from datetime import date
from pathlib import Path
from uuid import UUID

import jwt
from sqlalchemy import Date, Integer, String, func, select
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

MOST_HOURLY = 15_000


class Base(DeclarativeBase):
    """SQLAlchemy's."""


class HourlySteps(Base):
    """What a device has counted in an hour."""

    __tablename__ = "hourly_steps"

    user_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    date: Mapped[date] = mapped_column(Date, primary_key=True)
    device_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    hour: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    steps: Mapped[int] = mapped_column(Integer)


class Table:
    """The peers' database, through SQLAlchemy and aiomysql, with as many connections as help."""

    def __init__(self, mysql_url: str) -> None:
        self._engine: AsyncEngine = create_async_engine(alchemy_url(mysql_url), pool_size=20, max_overflow=0)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    async def create(self) -> None:
        """Make the table."""
        async with self._engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()

    async def record(self, user: UUID, day: date, device_id: str, hour: int, steps: int) -> int:
        """Make a reading durable; the day's total, one device or another whichever counted more in each hour."""
        async with self._sessions() as session:
            raised = insert(HourlySteps).values(
                user_id=str(user), date=day, device_id=device_id, hour=hour, steps=steps
            )
            await session.execute(
                raised.on_duplicate_key_update(steps=func.greatest(HourlySteps.steps, raised.inserted.steps))
            )
            total = await self._total(session, user, day)
            await session.commit()
            return total

    async def _total(self, session: AsyncSession, user: UUID, day: date) -> int:
        most = func.max(HourlySteps.steps).label("most")
        hours = (
            select(most)
            .where(HourlySteps.user_id == str(user), HourlySteps.date == day)
            .group_by(HourlySteps.hour)
            .subquery()
        )
        return int((await session.execute(select(func.sum(hours.c.most)))).scalar_one())


class Tokens:
    """Checks access tokens as PyJWT's documentation shows it."""

    def __init__(self, jwks: Path) -> None:
        self._keys = jwt.PyJWKSet.from_json(jwks.read_text())

    def user_of(self, authorization: str) -> UUID:
        """Who calls; raises `jwt.InvalidTokenError`."""
        token = authorization.removeprefix("Bearer ")
        key = self._keys[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(token, key, algorithms=["EdDSA"], options={"verify_aud": False, "require": ["exp", "sub"]})
        return UUID(claims["sub"])


def alchemy_url(mysql_url: str) -> str:
    """The URL in SQLAlchemy's way of writing."""
    return mysql_url.replace("mysql://", "mysql+aiomysql://", 1)
