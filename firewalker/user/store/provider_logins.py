"""Rows of `provider_login`: which identities can sign in to which account."""

from collections.abc import Sequence
from datetime import datetime

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import DuplicateKey, Transaction
from firewalker.user.domain.email import Email
from firewalker.user.domain.provider import Identity, Link, Provider
from firewalker.user.domain.provider_faults import ProviderAlreadyLinked, ProviderLinkedElsewhere
from firewalker.user.store.columns import uuid_of

_ADD = """
    INSERT INTO provider_login (provider, subject, user_id, email, create_time)
    VALUES (%(provider)s, %(subject)s, %(user_id)s, %(email)s, %(at)s)
"""

_OWNER = "SELECT user_id FROM provider_login WHERE provider = %(provider)s AND subject = %(subject)s"
# primary key

_LIST = """
    SELECT provider, subject, email, create_time FROM provider_login WHERE user_id = %(user_id)s ORDER BY provider
"""  # provider_login_of_user

_DELETE = "DELETE FROM provider_login WHERE user_id = %(user_id)s AND provider = %(provider)s"
# provider_login_of_user

_DELETE_ALL = "DELETE FROM provider_login WHERE user_id = %(user_id)s"
# provider_login_of_user


class ProviderLogins:
    """The identities of this database."""

    async def add(self, tx: Transaction, user_id: UserId, identity: Identity, at: datetime) -> None:
        """Link an identity.

        Raises:
            ProviderLinkedElsewhere: An account has it already.
            ProviderAlreadyLinked: The account has another one of this provider.
        """
        email = "" if identity.email is None else identity.email.text
        params = {"provider": identity.provider, "subject": identity.subject, "user_id": user_id, "email": email}
        try:
            await tx.execute(_ADD, {**params, "at": at})
        except DuplicateKey as duplicate:
            if duplicate.key == "provider_login_of_user":
                raise ProviderAlreadyLinked from None
            raise ProviderLinkedElsewhere from None

    async def find_owner(self, tx: Transaction, identity: Identity) -> UserId | None:
        """Whose it is."""
        row = await tx.find(_OWNER, {"provider": identity.provider, "subject": identity.subject})
        return None if row is None else UserId(uuid_of(row[0]))

    async def list_of(self, tx: Transaction, user_id: UserId) -> Sequence[Link]:
        """The identities of an account, at most one of each provider."""
        return [
            Link(Identity(Provider(provider), subject, Email(email) if email else None), create_time)
            for provider, subject, email, create_time in await tx.all(_LIST, {"user_id": user_id})
        ]

    async def delete(self, tx: Transaction, user_id: UserId, provider: Provider) -> None:
        """Take an identity off an account that is locked."""
        await tx.execute(_DELETE, {"user_id": user_id, "provider": provider})

    async def delete_all(self, tx: Transaction, user_id: UserId) -> None:
        """Take every identity off an account that is locked: they are nobody's."""
        await tx.execute(_DELETE_ALL, {"user_id": user_id})
