"""How often passwords may be tried and accounts be made (AUTH-36, AUTH-37).

A guess takes a turn of its address and one of its account; a right password gives them back. A device that has been signed in to
the account before, by the installation id that it alone knows, has turns of its own there: whoever uses up the account's
cannot lock its owner out. Turns are taken before the password is looked at, so that guesses at once are counted too, and
by what was typed: whether there is such an account shows nowhere. An attempt to sign up keeps its turns if it made an account or
told whose address is taken, those of where it came from also if it told that an address is free; what fails for another reason costs
nobody theirs. Calls from exempt networks are not counted.
"""

import hashlib
import hmac
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from firewalker.kernel.faults import DeadlineExceeded, Fault, Overloaded
from firewalker.kernel.ids import UserId
from firewalker.kernel.principal import current_site
from firewalker.runtime.rate_limits import Rate, RateExceeded, RateLimits
from firewalker.user.domain.email import Email
from firewalker.user.domain.faults import BadCredentials, EmailTaken, NicknameTaken

ACCOUNT = Rate("sign-in", per_s=1 / 30, burst=5, alone=0.5)
"""Wrong passwords for one account, from devices that it does not know: 125 in the first hour, 120 in any other."""

DEVICE = Rate("sign-in-device", per_s=1 / 30, burst=5, alone=0.5)
"""Wrong passwords for one account from one device that it knows."""

SITE = Rate("sign-in-site", per_s=0.5, burst=30, alone=0.5)
"""Wrong passwords from one address, whatever the account; behind it may be a whole office."""

SIGN_UPS = Rate("sign-up", per_s=1 / 60, burst=20, alone=0.5)
"""Attempts to sign up from one address, successful or not: they tell which addresses are taken."""

DEVICE_SIGN_UPS = Rate("sign-up-device", per_s=1 / 3600, burst=5, alone=0.5)
"""The same from one device."""

RESETS = Rate("mail", per_s=1 / 60, burst=10, alone=0.5)
"""Mails that one address may ask for, whoever gets them. How many one mailbox gets is limited too, in `usecases/mails.py`."""

MAILS = Rate("account-mail", per_s=10 / 3600, burst=10, alone=0.5)
"""Mails that one account may ask for, whoever gets them and from wherever it asks."""


class Throttles:
    """Counts for the use cases. *key* hides addresses and devices in Redis."""

    def __init__(self, limits: RateLimits | None, key: bytes) -> None:
        """Without *limits* nothing is counted."""
        self._limits = limits
        self._key = key

    @asynccontextmanager
    async def guess(self, email: Email | None, known_device: str) -> AsyncIterator[None]:
        """Run the block, in which the password for *email* is checked. Left by BadCredentials, the turns stay taken.

        *known_device* is the installation id of a device that was signed in to the account before; else empty.

        Raises:
            RateExceeded: Too many were wrong; `retry_after` tells when to come back.
        """
        site = current_site.get()
        takes = [(site, SITE)]
        if email is not None and known_device:
            takes.append((self._hidden("device", email.key, known_device), DEVICE))
        elif email is not None:
            takes.append((self._hidden("account", email.key), ACCOUNT))
        async with self._taking(takes if site else []):
            yield
        if site and known_device and self._limits is not None:
            await self._limits.forget(*takes[-1])

    @asynccontextmanager
    async def confirm(self, user_id: UserId) -> AsyncIterator[None]:
        """The same for a user who is signed in already."""
        async with self._taking([(f"u:{user_id}", ACCOUNT)] if current_site.get() else []):
            yield

    @asynccontextmanager
    async def sign_up(self, device: str) -> AsyncIterator[None]:
        """Run the block, in which an account is made from a device with that installation id, empty if it has none.

        Raises:
            RateExceeded: There were too many attempts.
        """
        site, takes = current_site.get(), []
        if site:
            takes.append((site, SIGN_UPS))
            if device:
                takes.append((self._hidden("device", device), DEVICE_SIGN_UPS))
        await self._take(takes)
        try:
            yield
        except (EmailTaken, DeadlineExceeded):
            raise  # told that an address is taken, or, by the work that was begun, that it is not
        except (NicknameTaken, Overloaded):
            # Whoever picks a name tries some, and no device can help our load; but both tell that the address is free.
            await self._give_back(takes[1:])
            raise
        except Fault:
            await self._give_back(takes)
            raise

    async def ask_for_mail(self, user_id: UserId | None = None) -> None:
        """Count a mail that somebody asks for, with the account that they are signed in to.

        Raises:
            RateExceeded: There were too many.
        """
        site = current_site.get()
        if site:
            await self._take([(site, RESETS), *([] if user_id is None else [(f"u:{user_id}", MAILS)])])

    @asynccontextmanager
    async def _taking(self, takes: Sequence[tuple[str, Rate]]) -> AsyncIterator[None]:
        await self._take(takes)
        try:
            yield
        except Fault as fault:
            if not isinstance(fault, BadCredentials):
                await self._give_back(takes)  # nothing was learnt of the password
            raise
        await self._give_back(takes)

    async def _take(self, takes: Sequence[tuple[str, Rate]]) -> None:
        """Take all of these turns, or none."""
        if self._limits is None:
            return
        for number, (who, rate) in enumerate(takes):
            try:
                await self._limits.spend(who, rate)
            except RateExceeded:
                await self._give_back(takes[:number])
                raise

    async def _give_back(self, taken: Sequence[tuple[str, Rate]]) -> None:
        if self._limits is not None:
            for who, rate in taken:
                await self._limits.give_back(who, rate)

    def _hidden(self, *parts: str) -> str:
        return hmac.new(self._key, "\0".join(parts).encode(), hashlib.sha256).hexdigest()[:32]
