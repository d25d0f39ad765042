"""Floods: the hardened server ends each within a second and keeps its memory and its other clients; grpclib does not."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.service.grpc.abuse.attacker import BURST_BATCHES, Story
from tests.service.grpc.abuse.floods import ABANDONED, FLOODS
from tests.service.grpc.abuse.site import Attacker, Bystander, Round, Target, attacker, excess, target, told
from tests.service.grpc.abuse.target import GRPCLIB

CUT_WITHIN_S = 1.0
"""NET-05's figure; connecting and all that was sent until then included."""

GROWTH_MIB = 8.0
"""What the attacks of a test, connection after connection, may cost in memory."""

ROUNDS = 2
MORE_ROUNDS = 10
"""Rounds of quiet and attack in turn; up to so many where the first leave a doubt."""

QUIET_S = 0.15
ATTACK_S = 0.25
"""About six connections that are cut off, one after the other; `Limits.blame` lets an address have twenty."""

CONTROL_S = 0.3
"""Several times what ours takes to end a flood (10 to 50 ms)."""

pytestmark = [pytest.mark.alone, pytest.mark.requirement("NET-05", "NET-06", "NET-08")]


@pytest.fixture(params=list(FLOODS))
def flood(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def enemy() -> Iterator[Attacker]:
    with attacker() as running:
        yield running


@pytest.fixture(scope="module")
def grpclib() -> Iterator[Target]:
    with target(GRPCLIB) as server:
        yield server


@pytest.fixture(scope="module", params=["fast", "plain"])
def hardened(request: pytest.FixtureRequest, enemy: Attacker) -> Iterator[Target]:
    with target(request.param) as server:
        # What is loaded and allocated once is not what a flood costs.
        asyncio.run(enemy.attacks(server, "rapid reset", 0.2))
        yield server


class Siege:
    """Rounds of quiet and attack in turn, with a bystander."""

    def __init__(self, bystander: Bystander, enemy: Attacker, server: Target, flood: str) -> None:
        self._bystander, self._enemy, self._server, self._flood = bystander, enemy, server, flood
        self.rounds: list[Round] = []

    async def go_on(self) -> Story:
        """One round more."""
        quiet = await self._bystander.calls(QUIET_S)
        self._server.longest_turn_ms()
        attack = self._enemy.attacks(self._server, self._flood, ATTACK_S, CUT_WITHIN_S)
        story, attacked = await asyncio.gather(attack, self._bystander.calls(ATTACK_S))
        self.rounds.append(Round(quiet, attacked, self._server.longest_turn_ms()))
        return story

    @property
    def excess(self) -> float:
        return excess(self.rounds)

    def __str__(self) -> str:
        return told(self.rounds)


@pytest.fixture
async def siege(flood: str, enemy: Attacker, hardened: Target) -> AsyncIterator[Siege]:
    async with Bystander(hardened.port) as bystander:
        yield Siege(bystander, enemy, hardened, flood)


@pytest.mark.requirement("M7", "M8")
@pytest.mark.parametrize("flood", [name for name in FLOODS if name != ABANDONED])
async def test_grpclib_lets_a_flood_go_on(flood: str, enemy: Attacker, grpclib: Target) -> None:
    """The control: were it to end one by itself, the test below would prove nothing."""
    for longer in (1, 3, 9):  # a busy machine needs longer for as much
        story = await enemy.attacks(grpclib, flood, longer * CONTROL_S)
        assert story.cut == 0, story
        if story.most_batches >= BURST_BATCHES:
            return
    pytest.fail(f"not even a burst was sent: {story}")


async def test_a_bystander_of_grpclib_suffers(enemy: Attacker) -> None:
    """The control of the measure: a server that does not withstand is not excused by it."""
    with target(GRPCLIB) as server:
        async with Bystander(server.port) as bystander:
            siege = Siege(bystander, enemy, server, "rapid reset")
            for _ in range(2):
                await siege.go_on()
    assert siege.excess > 1, str(siege)


async def test_a_flood_is_ended_and_nobody_else_suffers(siege: Siege, hardened: Target) -> None:
    before = hardened.resident_mib
    while len(siege.rounds) < ROUNDS or (siege.excess > 1 and len(siege.rounds) < MORE_ROUNDS):
        story = await siege.go_on()
        assert story.first_cut_s is not None, story
        assert story.first_cut_s < CUT_WITHIN_S
        # The last one may have begun just before the time was over.
        assert story.cut >= story.connections - 1
    assert hardened.resident_mib - before < GROWTH_MIB
    assert siege.excess <= 1, str(siege)
