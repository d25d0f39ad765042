"""Mails about an account: which there are, and what the tokens in them are good for. Their words are `mail_text`'s."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from firewalker.kernel.ids import MailId, UserId
from firewalker.user.domain.email import Email
from firewalker.user.domain.faults import MailTokenInvalid

MOST_AN_HOUR = 5
"""Most mails of a kind to one mailbox in an hour: more help nobody who waits for one, and annoy everybody else."""

BUDGET_TIME = timedelta(hours=1)


class MailKind(Enum):
    """What a mail is about."""

    VERIFY = 1
    """Confirm the address of the account."""
    RESET = 2
    """Set another password."""
    CHANGE = 3
    """Confirm an address that is to become the account's."""
    CHANGED = 4
    """To the address that was the account's until now: another one is."""
    TAKEN = 5
    """Somebody wanted this address for an account, and it has one."""
    PASSWORD_CHANGED = 6
    """To the address of the account: its password is another one. The devices that were signed out by it are told nothing."""


LIFETIMES = {
    MailKind.VERIFY: timedelta(days=3),
    MailKind.RESET: timedelta(hours=1),
    MailKind.CHANGE: timedelta(days=1),
}
"""How long the tokens of mails that have one are good."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that is to be sent. Without *user_id* it is for whoever has the address when it is."""

    mail_id: MailId
    kind: MailKind
    email: Email
    user_id: UserId | None
    create_time: datetime
    traceparent: str = ""
    """The trace of the call that it was left by; empty for none."""


@dataclass(frozen=True, slots=True)
class MailToken:
    """What a token is good for, as the database has it. Its id is that of its mail."""

    token_id: MailId
    user_id: UserId
    kind: MailKind
    email: Email
    expire_time: datetime
    use_time: datetime | None = None

    def ensure_usable(self, at: datetime, *kinds: MailKind) -> None:
        """Return if the token is one of *kinds*, and good at *at*.

        Raises:
            MailTokenInvalid: It is not, or it was used.
        """
        if self.kind not in kinds or self.use_time is not None or at >= self.expire_time:
            raise MailTokenInvalid
