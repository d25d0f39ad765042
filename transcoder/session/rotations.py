"""Refresh tokens that were exchanged a moment ago, for the other tabs of the same browser.

All tabs share one cookie, and several may refresh at once. The service gives the same successor to a token until that
successor is used; after that the old token means that it was stolen, and the session ends. A slow request of one tab,
overtaken by two of another, would look just like that. So an exchange is remembered for a moment, and whoever comes with
the old token gets what came of it in the end. Between processes the page's own lock keeps the order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

KEPT_S: Final = 10.0
"""How long an exchange is remembered: longer than a request takes, shorter than a thief does."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What an exchange gave: the *answer* without the token, the next refresh *token*, and when that expires."""

    answer: Any
    token: str
    expires_at: float
    """In seconds since 1970."""


class Rotations:
    """The exchanges of this process that are under way or just over."""

    def __init__(self) -> None:
        self._known: dict[str, asyncio.Future[Granted]] = {}

    async def exchange(self, token: str, ask: Callable[[str], Awaitable[Granted]]) -> Granted:
        """The newest successor of *token*; *ask* asks the service where nothing is known of it.

        Raises:
            Exception: What *ask* raised. Failures of others are not shared: each asks for itself.
        """
        while True:
            known = self._known.get(token)
            if known is None:
                return await self._ask(token, ask)
            await asyncio.wait([known])
            if known.cancelled() or self._known.get(token) is not known:
                continue
            granted = known.result()
            if granted.token not in self._known:
                return granted
            token = granted.token

    def forget(self, token: str) -> None:
        """Remember nothing of the session of *token*: it was ended on purpose, and must not come back from here."""
        successors = {old: known.result().token for old, known in self._known.items() if known.done()}
        predecessors = {new: old for old, new in successors.items()}
        for links in (successors, predecessors):
            each: str | None = token
            while each is not None:
                self._known.pop(each, None)
                each = links.pop(each, None)

    async def _ask(self, token: str, ask: Callable[[str], Awaitable[Granted]]) -> Granted:
        loop = asyncio.get_running_loop()
        mine = self._known[token] = loop.create_future()
        try:
            granted = await ask(token)
        except BaseException:
            self._drop(token, mine)
            mine.cancel()
            raise
        mine.set_result(granted)
        if granted.token == token:
            self._drop(token, mine)
        else:
            loop.call_later(KEPT_S, self._drop, token, mine)
        return granted

    def _drop(self, token: str, future: asyncio.Future[Granted]) -> None:
        if self._known.get(token) is future:
            del self._known[token]
