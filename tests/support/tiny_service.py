"""The smallest service: a process with one server, one background part and one resource that tell what happens to them.

Run as ``python -m tests.support.tiny_service [command]``; TINY_SLOW_S makes its drain take that long, TINY_DIES its part's
background task fail once the server has said that it serves.
"""

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

from pydantic_settings import SettingsConfigDict

from firewalker.runtime.config import Port, ServiceConfig
from firewalker.runtime.mysql import Database
from firewalker.runtime.process import App, main
from firewalker.runtime.tasks import begin, end

serving = asyncio.Event()
SCHEMA = Path(__file__).with_name("tiny_schema")


class TinyConfig(ServiceConfig):
    model_config = SettingsConfigDict(env_prefix="FIREWALKER_TINY_")

    port: Port = 0
    internal_port: Port = 0


def tell(what: str) -> None:
    print(what, flush=True)  # noqa: T201 - it is a program


class TinyHealth:
    def set(self, value: bool) -> None:  # noqa: FBT001
        tell(f"serving {value}")
        serving.set()


class TinyServer:
    def __init__(self) -> None:
        self.health = TinyHealth()

    async def start(self) -> None:
        tell("server started")

    async def drain(self, within_s: float) -> None:
        await asyncio.sleep(min(within_s, float(os.environ.get("TINY_SLOW_S", "0"))))
        tell("server drained")

    async def close(self) -> None:
        tell("server closed")


class TinyPart:
    async def start(self) -> None:
        self._task = begin(self._work(), "tiny work")
        tell("part started")

    async def stop(self) -> None:
        await end([self._task])
        tell("part stopped")

    async def _work(self) -> None:
        await serving.wait()
        if "TINY_DIES" in os.environ:
            raise ValueError("a bug")
        await asyncio.Event().wait()


async def build(config: TinyConfig) -> App:
    resources = AsyncExitStack()
    database = await resources.enter_async_context(Database(config.mysql_url.get_secret_value()))
    resources.callback(tell, "resources closed")

    async def check() -> None:
        async with database.reading() as tx:
            await tx.one("SELECT 1")

    return App([TinyServer()], [TinyPart()], resources, {"mysql": check})


if __name__ == "__main__":
    main(service="tiny", config=TinyConfig, app=build, schema=SCHEMA)
