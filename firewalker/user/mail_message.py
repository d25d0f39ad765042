"""Letters as messages of RFC 5322, for both ways of sending them."""

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import MailId
from firewalker.user.domain.mail_text import Letter


def message(mail_id: MailId, letter: Letter, *, sender: str, clock: Clock) -> EmailMessage:
    """The message. Its id is the mail's, so that one that is sent twice can be known for the same."""
    made = EmailMessage(policy=SMTP)
    made["From"] = sender
    made["To"] = letter.email
    made["Subject"] = letter.subject
    made["Date"] = format_datetime(clock.now())
    made["Message-ID"] = f"<{mail_id}@{sender.rpartition('@')[2].rstrip('>')}>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    made.set_content(letter.body)
    return made
