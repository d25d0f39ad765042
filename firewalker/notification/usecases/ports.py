"""What the use cases need from above them: the adapters that the composition root hands in."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from firewalker.kernel.ids import SessionId, UserId
from firewalker.notification.domain.notification import Type
from firewalker.notification.domain.push import Verdict

Wake = Callable[[], None]
"""Tells a worker of this process that there is something to do; returns at once."""


class Announce(Protocol):
    """Tells every process whose inbox has changed (`live`); returns at once and does not fail."""

    def __call__(self, users: Collection[UserId], /) -> None:
        """The rows are committed."""


class Sessions(Protocol):
    """Knows which sessions have ended (`sessions`)."""

    def has_ended(self, session: SessionId, /) -> bool:
        """Whether this process has heard that it has."""

    async def among(self, sessions: Collection[SessionId], /) -> set[SessionId]:
        """Those that have ended. Does not fail: what nobody says has not."""


class Told(Protocol):
    """What a user is to be told: a push, or a delivery of it."""

    @property
    def user_id(self) -> UserId: ...  # noqa: D102
    @property
    def actor_id(self) -> UserId | None: ...  # noqa: D102
    @property
    def type(self) -> Type: ...  # noqa: D102
    @property
    def params(self) -> Mapping[str, str]: ...  # noqa: D102


class Rechecks(Protocol):
    """Asks the other services whether what is to be pushed still holds (`rechecks`)."""

    async def verdicts(self, told: Sequence[Told], /) -> Sequence[Verdict]:
        """One for each, in order. Does not fail: what nobody answers is UNKNOWN."""
