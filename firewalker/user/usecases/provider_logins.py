"""Signing in with identities of providers, and linking them to an account."""

from collections.abc import Sequence
from dataclasses import dataclass

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.faults import Contention
from firewalker.kernel.ids import UserId
from firewalker.kernel.principal import Principal
from firewalker.runtime.mysql import Database, Transaction, retried
from firewalker.user.domain.account import Account
from firewalker.user.domain.faults import UserNotFound
from firewalker.user.domain.nickname import Nickname
from firewalker.user.domain.provider import Identity, Link, Provider
from firewalker.user.domain.provider_faults import (
    LastSignInMethod,
    ProfileRequired,
    ProviderLinkedElsewhere,
    ProviderNotLinked,
)
from firewalker.user.domain.security import Notice, SecurityNoticed
from firewalker.user.domain.session import Client
from firewalker.user.domain.user import User
from firewalker.user.store.accounts import Accounts as AccountStore
from firewalker.user.store.provider_logins import ProviderLogins as ProviderStore
from firewalker.user.store.sessions import Sessions as SessionStore
from firewalker.user.usecases.accounts import Accounts, Newcomer
from firewalker.user.usecases.ended_sessions import ensure_alive
from firewalker.user.usecases.ports import Facts, IdTokens, Throttles
from firewalker.user.usecases.sessions import Grant, Sessions


@dataclass(frozen=True, slots=True, repr=False)
class ProviderSignIn:
    """What somebody signs in with. Never shown: it holds a token. *nickname* and *time_zone* are for a new account."""

    provider: Provider
    id_token: str
    nonce: str | None
    nickname: Nickname | None
    time_zone: str | None
    client: Client


class ProviderLogins:
    """Identities, as far as their owners may act on them."""

    def __init__(
        self,
        *,
        database: Database,
        accounts: AccountStore,
        links: ProviderStore,
        tokens: IdTokens,
        sign_ups: Accounts,
        sessions: Sessions,
        session_rows: SessionStore,
        throttles: Throttles,
        facts: Facts,
        clock: Clock,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._links = links
        self._tokens = tokens
        self._sign_ups = sign_ups
        self._sessions = sessions
        self._session_rows = session_rows
        self._throttles = throttles
        self._facts = facts
        self._clock = clock

    async def login(self, form: ProviderSignIn) -> tuple[User, Grant, bool]:
        """Sign in whose identity it is, and make an account if it is nobody's; whether one was made comes last.

        Raises:
            IdTokenInvalid, ProviderNotOffered, ProviderUnavailable: See `IdTokens`.
            ProfileRequired: There is no account, and nickname or time zone are missing.
            NicknameTaken, EmailTaken: Somebody has it.
            BadCredentials: The account is disabled.
            RateExceeded: Too many accounts were made from there.
            Contention: The identity was taken off the account, or the account was changed, at this moment.
        """
        identity = await self._tokens.verify(form.provider, form.id_token, form.nonce)
        owner = await self._owner(identity)
        if owner is None:
            if form.nickname is None or form.time_zone is None:
                raise ProfileRequired
            newcomer = Newcomer(identity, form.nickname, form.time_zone, form.client)
            try:
                async with self._throttles.sign_up(form.client.installation_id):
                    user, grant = await self._sign_ups.welcome(newcomer)
            except ProviderLinkedElsewhere:
                owner = await self._owner(identity)  # the same call, sent twice at once
            else:
                return user, grant, True
        if owner is None:
            raise Contention

        async def is_theirs_still(tx: Transaction) -> bool:
            return await self._links.find_owner(tx, identity) == owner

        user, grant = await self._sessions.open_for(owner, form.client, is_theirs_still)
        return user, grant, False

    async def confirm(self, caller: UserId, id_token: str) -> Account:
        """The caller's account, if the token is about one of its identities.

        Raises:
            IdTokenInvalid, ProviderNotOffered, ProviderUnavailable: See `IdTokens`.
            BadCredentials: It is about somebody else.
        """
        return await self._sessions.account_of(caller, await self._owner(await self._tokens.verify_any(id_token)))

    @retried(idempotent=True)
    async def _link(self, caller: Principal, identity: Identity) -> None:
        user_id, at = caller.user_id, moment(self._clock)
        async with self._database.transaction() as tx:
            if await self._accounts.lock(tx, user_id) is None:
                raise UserNotFound
            await ensure_alive(tx, self._session_rows, caller, at)
            owner = await self._links.find_owner(tx, identity)
            if owner is None:
                await self._links.add(tx, user_id, identity, at)
                noticed = SecurityNoticed(user_id, Notice.PROVIDER_LINKED, at, caller.session_id)
                await self._facts.append(tx, [noticed], {})
            elif owner != user_id:
                raise ProviderLinkedElsewhere

    async def link(self, caller: Principal, provider: Provider, id_token: str, nonce: str | None) -> None:
        """Let the caller sign in with that identity as well; the owner is told. Repeating it is OK.

        Raises:
            IdTokenInvalid, ProviderNotOffered, ProviderUnavailable: See `IdTokens`.
            ProviderLinkedElsewhere: It is another account's.
            ProviderAlreadyLinked: The account has another one of this provider.
            SessionRevoked: The caller's session has ended since the call came in.
        """
        await self._link(caller, await self._tokens.verify(provider, id_token, nonce))

    async def unlink(self, caller: UserId, provider: Provider) -> None:
        """Take the identity of that provider off the caller's account.

        Raises:
            ProviderNotLinked: There is none.
            LastSignInMethod: There is no other way in.
        """
        await self._unlink(caller, provider, set())

    @retried(idempotent=True)
    async def _unlink(self, caller: UserId, provider: Provider, seen: set[Provider]) -> None:
        """*seen* goes from run to run: what one has seen, and the next does not, was taken off by an unanswered COMMIT."""
        async with self._database.transaction() as tx:
            account = await self._accounts.lock(tx, caller)
            linked = {link.identity.provider for link in await self._links.list_of(tx, caller)}
            if provider in seen - linked:
                return
            seen |= linked
            if account is None or provider not in linked:
                raise ProviderNotLinked
            if account.password_hash is None and linked == {provider}:
                raise LastSignInMethod
            await self._links.delete(tx, caller, provider)

    async def list(self, caller: UserId) -> Sequence[Link]:
        """The identities that the caller can sign in with."""
        async with self._database.reading() as reading:
            return await self._links.list_of(reading, caller)

    async def _owner(self, identity: Identity) -> UserId | None:
        async with self._database.reading() as reading:
            return await self._links.find_owner(reading, identity)
