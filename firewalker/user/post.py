"""Sending mails: each once it is due, by one process at a time, again if that failed."""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog
from prometheus_client import Counter

from firewalker.kernel.faults import Fault
from firewalker.runtime import tracing
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.tasks import begin, end, going_on
from firewalker.user.domain.mail import Mail
from firewalker.user.usecases.mails import LEASE_S, Mails
from firewalker.user.usecases.ports import MailFailed, Sender

BATCH = 5
"""Mails taken at once; sent one after the other, within the lease."""

POLL_S = 2.0
"""How often it is looked by itself, for what is due again or was left by another process."""

SEND_S = 10.0
"""Longest time for one mail; none is begun with less than this left of its lease."""

STOP_S = 8.0
"""How long a mail that is being sent holds up the end of the process."""

MOST_CHARACTERS = 64
"""Of the word that says why a mail was not sent."""

_MAILS = Counter(
    "firewalker_user_mails_total", "Mails by kind and by what became of them.", ["kind", "outcome"], registry=REGISTRY
)
_log = structlog.get_logger("firewalker.post")


class Post:
    """A part of the user service that sends its mails."""

    def __init__(self, mails: Mails, sender: Sender, *, poll_s: float = POLL_S) -> None:
        self._mails = mails
        self._sender = sender
        self._poll_s = poll_s
        self._work = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        mails.on_wake(self._work.set)

    async def start(self) -> None:
        """Begin to send."""
        self._task = begin(self._run(), "post")

    async def stop(self) -> None:
        """Stop once the mail that is being sent is; if that takes long, whoever comes next sends it again."""
        self._stopping = True
        self._work.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=STOP_S)
        await end([self._task])

    async def _run(self) -> None:
        while not self._stopping:
            self._work.clear()
            mails: Sequence[Mail] = ()
            with going_on("post"):
                until = asyncio.get_running_loop().time() + LEASE_S - SEND_S
                mails = await self._mails.lease(BATCH)
                for mail in mails:
                    # What the lease is too short for comes back when that ends.
                    if not self._stopping and asyncio.get_running_loop().time() < until:
                        with tracing.caused("send mail", [mail.traceparent], kind=mail.kind.name.lower()):
                            await self._try(mail)
            if len(mails) < BATCH and not self._stopping:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_s):
                        await self._work.wait()

    async def _try(self, mail: Mail) -> None:
        """Send *mail*, or put it off: whatever is wrong with one, it must not keep the others from being sent."""
        try:
            await self._send(mail)
        except Fault:
            raise
        except Exception as error:  # noqa: BLE001 - named by class: texts hold addresses
            await self._fail(mail, type(error).__name__.upper()[:MOST_CHARACTERS], for_good=False)

    async def _send(self, mail: Mail) -> None:
        kind = mail.kind.name.lower()
        letter = await self._mails.written(mail)
        if letter is None:
            _MAILS.labels(kind, "dropped").inc()
            return
        try:
            async with asyncio.timeout(SEND_S):
                await self._sender.send(mail.mail_id, letter)
        except MailFailed as failure:
            await self._fail(mail, str(failure), for_good=failure.for_good)
        except TimeoutError:
            await self._fail(mail, "TIMEOUT", for_good=False)
        else:
            await self._mails.sent(mail)
            _MAILS.labels(kind, "sent").inc()
            _log.info("mail sent", kind=kind, mail_id=str(mail.mail_id))

    async def _fail(self, mail: Mail, why: str, *, for_good: bool) -> None:
        await self._mails.failed(mail, why, for_good=for_good)
        _MAILS.labels(mail.kind.name.lower(), "refused" if for_good else "put off").inc()
        _log.warning(
            "mail not sent", kind=mail.kind.name.lower(), mail_id=str(mail.mail_id), why=why, for_good=for_good
        )
