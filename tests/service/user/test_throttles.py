"""Guessing passwords and making accounts by the hundred, through the real wire, from addresses that are counted."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from firewalker.kernel.faults import DatabaseUnavailable, DeadlineExceeded, Fault, Overloaded
from firewalker.kernel.principal import current_site
from firewalker.runtime import rate_limits
from firewalker.user.domain.faults import EmailTaken
from firewalker.user.throttles import Throttles
from tests.service.user.conftest import PASSWORD, RefusedError, World, open_world
from tests.support.ways import redis_way


@dataclass
class Crowd:
    """A world in which nobody is exempt; each call says where it comes from."""

    world: World

    async def login(self, email: str, password: str, address: str = "203.0.113.1", device: str = "") -> str:
        """The reason of the refusal, or OK."""
        return await self.reason("Login", address, email=email, password=password, installation_id=device)

    async def reason(self, rpc: str, address: str, **fields: Any) -> str:
        try:
            await self.world.call(rpc, headers={"x-forwarded-for": address}, **fields)
        except RefusedError as error:
            refusal = error.refusal
        else:
            return "OK"
        if refusal.reason == "RATE_EXCEEDED":
            assert refusal.status == "RESOURCE_EXHAUSTED"
            assert refusal.retry_after_s
        return refusal.reason


COUNTED = {"exempt_networks": ()}


@pytest.fixture
async def crowd(
    tmp_path: Path, mysql_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Crowd]:
    monkeypatch.setattr(rate_limits, "ASK_S", 10.0)  # a busy machine is no reason to count here
    async with open_world(tmp_path, mysql_url, redis_url, **COUNTED) as world:
        yield Crowd(world)


def addresses(prefix: str = "198.51.100") -> Callable[[int], str]:
    return lambda number: f"{prefix}.{number % 250 + 1}"


@pytest.mark.requirement("AUTH-36")
async def test_strangers_from_everywhere_get_few_guesses_and_cannot_lock_the_owner_out(crowd: Crowd) -> None:
    owner = await crowd.world.sign_up(installation_id="the owner's phone")
    place = addresses()
    outcomes = [await crowd.login(owner.email, f"guess number {n}", place(n), f"device {n}") for n in range(60)]
    assert outcomes.count("BAD_CREDENTIALS") <= 6  # five at once, one more every 30 s
    assert set(outcomes) == {"BAD_CREDENTIALS", "RATE_EXCEEDED"}
    assert await crowd.login(owner.email, PASSWORD, "203.0.113.9", "a new phone") == "RATE_EXCEEDED"
    for _ in range(8):
        assert await crowd.login(owner.email, PASSWORD, "203.0.113.9", "the owner's phone") == "OK"
    wrong = [await crowd.login(owner.email, "typed wrongly", "203.0.113.9", "the owner's phone") for _ in range(8)]
    assert wrong.count("BAD_CREDENTIALS") <= 6


@pytest.mark.requirement("AUTH-36")
async def test_an_account_that_is_none_is_counted_alike(crowd: Crowd) -> None:
    owner, place = await crowd.world.sign_up(), addresses()
    real = [await crowd.login(owner.email, "wrong guess", place(n)) for n in range(8)]
    none = [await crowd.login("nobody@example.org", "wrong guess", place(n + 100)) for n in range(8)]
    assert real == none == ["BAD_CREDENTIALS"] * 5 + ["RATE_EXCEEDED"] * 3


@pytest.mark.alone  # turns come back while it runs
@pytest.mark.requirement("AUTH-36")
async def test_one_address_gets_so_many_guesses_whatever_the_accounts(crowd: Crowd) -> None:
    outcomes = [await crowd.login(f"n{n}@example.org", "wrong guess", f"2001:db8:1:2::{n:x}") for n in range(40)]
    assert 30 <= outcomes.count("BAD_CREDENTIALS") <= 35
    assert await crowd.login("n@example.org", "wrong guess", "2001:db8:1:3::1") == "BAD_CREDENTIALS"


@pytest.mark.requirement("AUTH-36")
async def test_right_passwords_cost_no_turns(crowd: Crowd) -> None:
    owner = await crowd.world.sign_up()
    assert {await crowd.login(owner.email, PASSWORD) for _ in range(12)} == {"OK"}


@pytest.mark.requirement("AUTH-36")
async def test_a_stolen_access_token_gives_no_more_guesses(crowd: Crowd) -> None:
    owner = await crowd.world.sign_up()

    async def change(password: str) -> str:
        fields = {"access": owner.access, "current_password": password, "new_password": "fog under the bridge"}
        return await crowd.reason("ChangePassword", "203.0.113.5", **fields)

    outcomes = [await change(f"guess number {n}") for n in range(8)]
    assert outcomes.count("BAD_CREDENTIALS") <= 6
    assert outcomes[-1] == "RATE_EXCEEDED"
    # Nor does being signed in make guesses about others free.
    more = [
        await crowd.reason("Login", "203.0.113.6", access=owner.access, email="x@example.org", password=f"guess {n}")
        for n in range(8)
    ]
    assert more.count("BAD_CREDENTIALS") <= 6


@pytest.mark.requirement("AUTH-36")
async def test_accounts_are_made_few_at_a_time_by_device_and_by_address(crowd: Crowd) -> None:
    known = await crowd.world.sign_up()

    async def sign_up(number: int, address: str, device: str) -> str:
        # All is well but that the address is taken: no password has to be hashed.
        fields = {"email": known.email, "password": PASSWORD, "nickname": f"n{number}", "time_zone": "UTC"}
        return await crowd.reason("SignUp", address, **fields, installation_id=device)

    place = addresses()
    of_device = [await sign_up(n, place(n), "one phone") for n in range(7)]
    assert of_device == ["EMAIL_TAKEN"] * 5 + ["RATE_EXCEEDED"] * 2
    of_address = [await sign_up(n, "203.0.113.7", f"phone {n}") for n in range(23)]
    assert of_address.count("RATE_EXCEEDED") >= 2


@pytest.mark.requirement("AUTH-36")
async def test_a_nickname_that_is_taken_costs_a_device_nothing(crowd: Crowd) -> None:
    await crowd.world.sign_up("Ann")
    place = addresses()
    fields = {"email": "new@example.org", "password": PASSWORD, "time_zone": "UTC", "installation_id": "a phone"}
    for number in range(7):
        assert await crowd.reason("SignUp", place(number), **fields, nickname="Ann") == "NICKNAME_TAKEN"
    assert await crowd.reason("SignUp", place(7), **fields, nickname="Bob") == "OK"


@pytest.mark.requirement("AUTH-36")
async def test_what_fails_through_us_costs_no_turn_to_sign_up(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "ASK_S", 10.0)
    limits = rate_limits.RateLimits(redis_url)
    throttles = Throttles(limits, bytes(32))
    before = current_site.set("203.0.113.1")

    async def attempt(fault: Fault) -> str:
        try:
            async with throttles.sign_up("a phone"):
                raise fault
        except Fault as refused:
            return refused.reason

    assert {await attempt(DatabaseUnavailable()) for _ in range(30)} == {DatabaseUnavailable.reason}
    # Passwords are hashed only for addresses that are free: being refused there tells as much. It costs the site, no device.
    assert [await attempt(Overloaded()) for _ in range(30)].count("RATE_EXCEEDED") >= 5
    current_site.set("203.0.113.2")
    # That an address is taken is told, and that it is not, to who gives up while the password is hashed.
    outcomes = [await attempt(DeadlineExceeded()), *[await attempt(EmailTaken()) for _ in range(6)]]
    assert outcomes == [DeadlineExceeded.reason] + ["EMAIL_TAKEN"] * 4 + ["RATE_EXCEEDED"] * 2
    current_site.reset(before)
    await limits.close()


@pytest.mark.requirement("AUTH-36")
async def test_an_account_asks_for_few_mails_from_wherever_and_to_whomever(crowd: Crowd) -> None:
    person, place = await crowd.world.sign_up(), addresses()
    asked = [await crowd.reason("ResendVerification", place(n), access=person.access) for n in range(12)]
    assert asked == ["OK"] * 10 + ["RATE_EXCEEDED"] * 2
    fields = {"access": person.access, "new_email": "stranger@example.org", "password": PASSWORD}
    assert await crowd.reason("ChangeEmail", place(12), **fields) == "RATE_EXCEEDED"
    # The address that many accounts ask from is counted too, as it is for resets.
    other = await crowd.world.sign_up()
    resets = [await crowd.reason("RequestPasswordReset", "203.0.113.7", email=f"n{n}@example.org") for n in range(10)]
    assert set(resets) == {"OK"}
    assert await crowd.reason("ResendVerification", "203.0.113.7", access=other.access) == "RATE_EXCEEDED"


@pytest.mark.requirement("AUTH-38")
async def test_an_address_that_no_trusted_proxy_vouches_for_is_not_believed(crowd: Crowd) -> None:
    outcomes = [
        await crowd.reason("Login", f"192.0.2.{n}, 203.0.113.8", email=f"n{n}@example.org", password="wrong guess")
        for n in range(40)
    ]
    assert outcomes.count("BAD_CREDENTIALS") <= 35


@pytest.mark.requirement("AUTH-37")
async def test_without_redis_one_process_grants_half(
    tmp_path: Path, mysql_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "AWAY_S", 600.0)
    async with redis_way(redis_url) as way, open_world(tmp_path, mysql_url, way.url, **COUNTED) as world:
        crowd, place = Crowd(world), addresses()
        owner = await world.sign_up(installation_id="the owner's phone")
        way.set(refuse=True)
        way.cut_all()
        outcomes = [await crowd.login(owner.email, f"guess number {n}", place(n)) for n in range(8)]
        assert 2 <= outcomes.count("BAD_CREDENTIALS") <= 3
        assert await crowd.login(owner.email, PASSWORD, "203.0.113.9", "the owner's phone") == "OK"


async def test_loopback_is_not_counted_unless_told_to(world: World) -> None:
    for number in range(8):
        refusal = await world.refusal("Login", email="n@example.org", password=f"guess number {number}")
        assert refusal.reason == "BAD_CREDENTIALS"
