"""Sign-ins that fail do the same work and take the same time, whatever was wrong: nobody learns who has an account."""

import statistics
import time
from collections import Counter
from itertools import combinations

import pytest

from firewalker.user.passwords import PasswordLane
from tests.service.user.conftest import PASSWORD, World

TRIALS = 40


async def failures(world: World) -> dict[str, str]:
    """An address for each kind of failure."""
    known, disabled, social, deleted = [await world.sign_up() for _ in range(4)]
    await world.sql("UPDATE account SET state = 2 WHERE email = %s", disabled.email)
    await world.sql("UPDATE account SET password_hash = NULL WHERE email = %s", social.email)
    await world.call("DeleteMe", deleted.access, password=PASSWORD)
    return {
        "unknown": "nobody@example.org",
        "wrong password": known.email,
        "disabled": disabled.email,
        "signs in with a provider": social.email,
        "deleted": deleted.email,
    }


def password(kind: str) -> str:
    """The right one, where that is not what is wrong."""
    return "a wrong one" if kind == "wrong password" else PASSWORD


@pytest.mark.requirement("AUTH-34")
async def test_every_failed_sign_in_does_the_same_work(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    emails = await failures(world)
    done = Counter[str]()
    matches = PasswordLane._matches

    def counted(lane: PasswordLane, password_hash: str, guess: str) -> bool:
        done[password_hash.rpartition("$")[0].rpartition("$")[0]] += 1
        return matches(lane, password_hash, guess)

    monkeypatch.setattr(PasswordLane, "_matches", counted)
    answers = set()
    for kind, email in emails.items():
        for device in ({}, {"installation_id": "a phone"}):
            done.clear()
            refusal = await world.refusal("Login", email=email, password=password(kind), **device)
            answers.add(refusal.body)
            assert done == {"$argon2id$v=19$m=19456,t=2,p=1": 1}, (kind, device)
    assert len(answers) == 1


@pytest.mark.alone
@pytest.mark.requirement("AUTH-34")
async def test_every_failed_sign_in_takes_the_same_time(world: World) -> None:
    emails = await failures(world)
    took: dict[str, list[float]] = {kind: [] for kind in emails}
    spent: dict[str, list[float]] = {kind: [] for kind in emails}
    for trial in range(TRIALS + 3):
        for kind, email in emails.items():
            start, before = time.perf_counter(), time.process_time()
            await world.refusal("Login", email=email, password=password(kind))
            if trial >= 3:  # the first ones open connections
                spent[kind].append((time.process_time() - before) * 1000)
                took[kind].append((time.perf_counter() - start) * 1000)
    # The service is in this process: its processor time is what it did, whatever else the machine did meanwhile.
    medians = {kind: statistics.median(found) for kind, found in spent.items()}
    assert max(medians.values()) - min(medians.values()) <= 0.1 * min(medians.values()) + 1.0, medians
    for one, other in combinations(took, 2):
        # How often one takes longer than the other: half of the time, give or take more than four deviations.
        longer = sum(a > b for a in took[one] for b in took[other]) / TRIALS**2
        assert 0.2 <= longer <= 0.8, (one, other, longer)
