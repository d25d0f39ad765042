"""Mails through an SMTP server."""

from typing import Self
from urllib.parse import unquote, urlsplit

import aiosmtplib

from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import MailId
from firewalker.user.domain.mail_text import Letter
from firewalker.user.mail_message import message
from firewalker.user.usecases.ports import MailFailed

ANSWER_S = 8.0
"""Longest wait for each answer of the server."""

_PERMANENT = range(500, 600)
_PORTS = {"smtp": 587, "smtps": 465}


class SmtpSender:
    """Sends each mail on a connection of its own: there are few, and servers end idle ones."""

    def __init__(
        self, *, host: str, port: int, username: str | None, password: str | None, tls: str, sender: str, clock: Clock
    ) -> None:
        """*tls* is ``on`` from the first byte, ``start`` (required), or ``off``, which only loopback should see."""
        self._where = {"hostname": host, "port": port, "username": username, "password": password}
        self._tls = {"use_tls": tls == "on", "start_tls": tls == "start"}
        self._sender = sender
        self._clock = clock

    @classmethod
    def of(cls, url: str, sender: str, clock: Clock) -> Self:
        """From ``smtps://user:password@host`` or ``smtp://…``; the latter turns TLS on by STARTTLS, unless ``?tls=off``.

        Raises:
            ValueError: It is no such URL.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname or parts.query not in {"", "tls=off"}:
            raise ValueError(
                "a mail URL is smtps://user:password@host:port or smtp://…, with ?tls=off where there is none"
            )
        tls = "on" if parts.scheme == "smtps" else "off" if parts.query else "start"
        return cls(
            host=parts.hostname,
            port=parts.port or _PORTS[parts.scheme],
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=tls,
            sender=sender,
            clock=clock,
        )

    async def send(self, mail_id: MailId, letter: Letter) -> None:
        """Return once the server has taken it.

        Raises:
            MailFailed: It has not; the text is the answer's code, or the name of what went wrong.
        """
        made = message(mail_id, letter, sender=self._sender, clock=self._clock)
        try:
            # To the address as it is, not as a reader of the header would take it.
            await aiosmtplib.send(made, recipients=[letter.email], **self._where, **self._tls, timeout=ANSWER_S)  # type: ignore[arg-type]  # of mixed types
        except aiosmtplib.SMTPRecipientsRefused as refused:
            codes = [one.code for one in refused.recipients]
            raise MailFailed(f"SMTP_{codes[0]}", for_good=all(code in _PERMANENT for code in codes)) from None
        except aiosmtplib.SMTPAuthenticationError as refused:
            # Our configuration is wrong, not the mail.
            raise MailFailed(f"SMTP_{refused.code}") from None
        except aiosmtplib.SMTPResponseException as refused:
            raise MailFailed(f"SMTP_{refused.code}", for_good=refused.code in _PERMANENT) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            # Named by class: texts hold addresses.
            raise MailFailed(type(error).__name__.upper()) from None
