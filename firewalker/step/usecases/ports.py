"""What the use cases need from above them: the adapters that the composition root hands in."""

from collections.abc import Sequence
from typing import Protocol

from firewalker.runtime.mysql import Transaction
from firewalker.step.domain.circle import Person
from firewalker.step.domain.goal import GoalReached, GoalSet
from firewalker.step.domain.overtake import Overtaken
from firewalker.step.domain.settling import Result


class Facts(Protocol):
    """Where facts are written down for the other services (`firewalker.step.events`), in the transaction of their change."""

    async def add_goal_set(self, tx: Transaction, fact: GoalSet) -> None:
        """Somebody wants something else now."""

    async def add_goal_reached(self, tx: Transaction, fact: GoalReached) -> None:
        """The walker is to be told, and friends who may know of it."""

    async def add_overtaken(self, tx: Transaction, fact: Overtaken, walker: Person) -> None:
        """The passed one is to be told."""

    async def add_first_place(self, tx: Transaction, fact: Overtaken) -> None:
        """The walker is to be told."""

    async def add_results(self, tx: Transaction, results: Sequence[Result]) -> None:
        """The walkers are to be told."""
