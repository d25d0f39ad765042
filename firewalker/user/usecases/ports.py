"""What the use cases need from above them: the adapters that the composition root hands in."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from firewalker.kernel.ids import MailId, UserId
from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.avatar import Avatar, AvatarId
from firewalker.user.domain.cheer import CheerSent
from firewalker.user.domain.email import Email
from firewalker.user.domain.friendship import FriendshipEvent
from firewalker.user.domain.group import GroupEvent
from firewalker.user.domain.mail_text import Letter
from firewalker.user.domain.provider import Identity, Provider
from firewalker.user.domain.security import SecurityNoticed
from firewalker.user.domain.session import Session
from firewalker.user.domain.user import Card, ProfileEvent, UserDeleted, UserSignedUp

Fact = UserSignedUp | UserDeleted | FriendshipEvent | ProfileEvent | CheerSent | GroupEvent | SecurityNoticed


class Facts(Protocol):
    """Where facts are written down for the other services (`firewalker.user.events`)."""

    async def append(self, tx: Transaction, facts: Sequence[Fact], people: Mapping[UserId, Card]) -> None:
        """Write the facts in the transaction of their change; they are delivered after its commit. *people* holds the cards of those whom they introduce."""


class Passwords(Protocol):
    """Hashes and checks passwords (`firewalker.user.passwords`). Both are slow on purpose and can be refused.

    Raises:
        Overloaded: Too many are waiting; `retry_after` says how long to stay away.
        DeadlineExceeded: The call's deadline passed before its turn came.
    """

    async def hash(self, password: str) -> str:
        """A new PHC string for *password*."""

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether *password* is the one of *password_hash*. None is nobody's hash: False, after the same time."""

    def is_outdated(self, password_hash: str) -> bool:
        """Whether a hash was made with other parameters than the present ones."""


class IdTokens(Protocol):
    """Verifies id_tokens of providers (`firewalker.user.id_tokens`).

    Raises:
        IdTokenInvalid: Not one of the provider's, not for us, or not of now.
        ProviderNotOffered: The provider is not set up.
        ProviderUnavailable: Its keys cannot be read.
    """

    async def verify(self, provider: Provider, token: str, nonce: str | None) -> Identity:
        """Who the token is about."""

    async def verify_any(self, token: str) -> Identity:
        """The same, whichever provider's it is; without a nonce."""


@dataclass(frozen=True, slots=True, repr=False)
class Place:
    """Where to put a picture: a link that is as good as a password for it, and the headers that the PUT has to carry."""

    url: str
    headers: Mapping[str, str]


class Pictures(Protocol):
    """Where pictures are kept (`firewalker.user.picture_folder`, `firewalker.user.picture_bucket`).

    Raises:
        PicturesUnavailable: It does not answer.
    """

    async def place(self, avatar: Avatar) -> Place:
        """A link for putting the upload."""

    async def uploaded(self, avatar: Avatar) -> bytes | None:
        """What was put there, if it is of the size that was promised."""

    async def forget_upload(self, avatar_id: AvatarId) -> None:
        """Remove what was put there, if anything was."""

    async def show(self, name: str, content: bytes) -> None:
        """Let everybody who knows its link see a picture, WebP."""

    async def hide(self, name: str) -> None:
        """Remove a picture, if it is there."""

    def url_of(self, name: str) -> str:
        """The link of a picture that is shown."""


class Darkroom(Protocol):
    """Decodes pictures of strangers, and makes those that are shown of them (`firewalker.user.darkroom`)."""

    async def develop(self, content: bytes, content_type: str) -> Sequence[bytes]:
        """One WebP for each of `SIZES`.

        Raises:
            AvatarInvalid: It is no picture of that type, or has too many pixels.
            Overloaded: Too many are being decoded.
        """


class MailFailed(Exception):
    """A mail was not taken. *for_good* if it never will be. The text is a word of at most 64 ASCII characters."""

    def __init__(self, why: str, *, for_good: bool = False) -> None:
        super().__init__(why)
        self.for_good = for_good


class Sender(Protocol):
    """Sends mails (`firewalker.user.smtp`, `firewalker.user.mail_folder`)."""

    async def send(self, mail_id: MailId, letter: Letter) -> None:
        """Return once somebody else has it. The same id may come again, if it was not known that it was sent.

        Raises:
            MailFailed: Nobody has it.
        """


class Endings(Protocol):
    """Tells of ended sessions after the commit (`firewalker.user.endings`)."""

    async def tell(self, ended: Iterable[Session]) -> None:
        """Every process knows, and nothing more is pushed to the sessions' devices, when this returns. Does not fail."""


class Throttles(Protocol):
    """How often passwords may be tried, accounts be made and mails be asked for (`firewalker.user.throttles`).

    Raises:
        RateExceeded: Too often; `retry_after` tells when to come back.
    """

    def guess(self, email: Email | None, known_device: str) -> AbstractAsyncContextManager[None]:
        """Around checking a password: left by an exception, the guess was wrong."""

    def confirm(self, user_id: UserId) -> AbstractAsyncContextManager[None]:
        """The same for who is signed in."""

    def sign_up(self, device: str) -> AbstractAsyncContextManager[None]:
        """Around making an account."""

    async def ask_for_mail(self, user_id: UserId | None = None) -> None:
        """Before a mail is promised; to whom somebody wants who is signed in to the account of *user_id*."""
