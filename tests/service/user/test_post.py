"""Mails on their way: to a real SMTP server, by one process at a time, again after failures."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from pymysql.err import OperationalError

from firewalker.kernel.clock import SystemClock
from firewalker.kernel.ids import MailId, new_uuid7
from firewalker.runtime.tasks import end
from firewalker.user.domain.mail import Mail
from firewalker.user.domain.mail_text import Letter
from firewalker.user.post import SEND_S, Post
from firewalker.user.smtp import SmtpSender
from firewalker.user.usecases.ports import MailFailed
from tests.service.user.rooms import Rooms, open_rooms
from tests.support.databases import run_on
from tests.support.waiting import until

LETTER = Letter("ann@example.org", "이메일 주소를 확인해 주세요", "안녕하세요\n.\nfwm1_x\n")


class Server:
    """Takes mails, unless it is told what to answer."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.answer_recipient = "250 OK"
        self.answer_data = "250 OK"

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.answer_recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer_recipient

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's name
        if self.answer_data.startswith("250"):
            self.taken.append(envelope)
        return self.answer_data


@asynccontextmanager
async def listening(server: Server) -> AsyncIterator[int]:
    loop, made = asyncio.get_running_loop(), []

    def connection() -> SMTP:
        made.append(SMTP(server, loop=loop, hostname="localhost"))
        return made[-1]

    listener = await loop.create_server(connection, "127.0.0.1", 0)
    try:
        yield int(listener.sockets[0].getsockname()[1])
    finally:
        listener.close()
        await listener.wait_closed()
        for one in made:
            if one.transport is not None:
                one.transport.close()
        for _ in range(3):  # until the loop has closed them
            await asyncio.sleep(0)


def sender(port: int, user: str = "") -> SmtpSender:
    return SmtpSender.of(f"smtp://{user}127.0.0.1:{port}?tls=off", "Firewalker <no-reply@fw.example>", SystemClock())


async def test_a_letter_arrives_as_it_was_written() -> None:
    server, mail_id = Server(), MailId(new_uuid7())
    async with listening(server) as port:
        await sender(port).send(mail_id, LETTER)
    [envelope] = server.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == ("no-reply@fw.example", ["ann@example.org"])
    content = envelope.content
    assert isinstance(content, bytes)
    mail = message_from_bytes(content, policy=default)
    assert (mail["Subject"], mail["Message-ID"]) == (LETTER.subject, f"<{mail_id}@fw.example>")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().replace("\r\n", "\n") == LETTER.body


@pytest.mark.parametrize(
    ("recipient", "data", "why", "for_good"),
    [
        ("550 no such mailbox", "250 OK", "SMTP_550", True),
        ("450 busy", "250 OK", "SMTP_450", False),
        ("250 OK", "554 no", "SMTP_554", True),
        ("250 OK", "451 later", "SMTP_451", False),
    ],
)
async def test_what_a_server_says_no_to_is_tried_again_unless_it_is_for_good(
    recipient: str,
    data: str,
    why: str,
    for_good: bool,  # noqa: FBT001 - a column
) -> None:
    server = Server()
    server.answer_recipient, server.answer_data = recipient, data
    async with listening(server) as port:
        with pytest.raises(MailFailed, match=why) as failed:
            await sender(port).send(MailId(new_uuid7()), LETTER)
    assert failed.value.for_good is for_good


async def test_a_server_that_is_away_or_refuses_us_is_not_the_mails_fault() -> None:
    with pytest.raises(MailFailed) as away:
        await sender(1).send(MailId(new_uuid7()), LETTER)
    async with listening(Server()) as port:
        with pytest.raises(MailFailed) as refused:
            await sender(port, "me:wrong@").send(MailId(new_uuid7()), LETTER)
    assert not away.value.for_good
    assert not refused.value.for_good
    assert "wrong" not in repr(refused.value)


@pytest.mark.parametrize("url", ["http://x", "smtp://", "smtp://host?tls=maybe", "mail.example.org"])
def test_urls_of_no_mail_server_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="mail URL"):
        SmtpSender.of(url, "a@b.co", SystemClock())


class Slow:
    """A sender that notes what it is given, and fails or waits when told to."""

    def __init__(self) -> None:
        self.sent: list[MailId] = []
        self.failures: list[Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def send(self, mail_id: MailId, letter: Letter) -> None:
        assert letter.email
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop()
        self.sent.append(mail_id)


@pytest.fixture
async def rooms(mysql_url: str, redis_url: str) -> AsyncIterator[Rooms]:
    async with open_rooms(mysql_url, redis_url) as opened:
        yield opened


@pytest.mark.requirement("DLV-01")
async def test_several_processes_send_each_mail_once(rooms: Rooms, mysql_url: str) -> None:
    slow = Slow()
    posts = [Post(rooms.mails, slow, poll_s=0.02) for _ in range(3)]
    for name in "abcdefg":
        await rooms.sign_up(f"walker{name}")
    for post in posts:
        await post.start()
    await until(lambda: len(slow.sent) >= 7)
    for post in posts:
        await post.stop()
    assert len(set(slow.sent)) == len(slow.sent) == 7
    assert await run_on(mysql_url, "SELECT DISTINCT outcome, attempts FROM mail") == [("SENT", 1)]


async def test_a_mail_that_failed_is_sent_later_and_one_that_never_will_be_is_given_up(
    rooms: Rooms, mysql_url: str
) -> None:
    slow = Slow()
    slow.failures = [MailFailed("SMTP_550", for_good=True), MailFailed("SMTP_451")]
    post = Post(rooms.mails, slow, poll_s=0.02)
    await post.start()
    await rooms.sign_up("walkera")
    await until(lambda: len(slow.failures) == 1)
    await rooms.sign_up("walkerb")
    await until(lambda: not slow.failures)
    later = "UPDATE mail SET due_time = due_time - INTERVAL 31 SECOND WHERE end_time IS NULL"
    async with asyncio.timeout(60):
        while not slow.sent:
            with suppress(OperationalError):  # a deadlock with whoever sends: it is done again
                await run_on(mysql_url, later)
            await asyncio.sleep(0.02)
    await post.stop()
    found = await run_on(mysql_url, "SELECT outcome, attempts FROM mail ORDER BY create_time, mail_id")
    assert sorted(map(repr, found)) == ["('SENT', 2)", "('SMTP_550', 1)"]


async def test_a_mail_that_nobody_can_write_or_send_keeps_no_other_from_being_sent(
    rooms: Rooms, mysql_url: str
) -> None:
    slow = Slow()
    slow.failures = [ValueError("a line's end in walkera@example.org")]
    post = Post(rooms.mails, slow, poll_s=0.02)
    await post.start()
    await rooms.sign_up("walkera")
    await until(lambda: not slow.failures)
    await rooms.sign_up("walkerb")
    await until(lambda: slow.sent)
    await post.stop()
    found = await run_on(mysql_url, "SELECT outcome, attempts FROM mail")
    assert sorted(map(repr, found)) == ["('SENT', 1)", "('VALUEERROR', 1)"]


async def test_a_mail_of_a_kind_that_only_a_newer_release_knows_waits_and_keeps_no_other_from_being_sent(
    rooms: Rooms, mysql_url: str
) -> None:
    slow = Slow()
    await rooms.sign_up("walkera")
    await run_on(mysql_url, "UPDATE mail SET kind = 99, due_time = due_time - INTERVAL 1 SECOND")
    await rooms.sign_up("walkerb")
    post = Post(rooms.mails, slow, poll_s=0.02)
    await post.start()
    await until(lambda: slow.sent, 60)
    await post.stop()
    found = await run_on(
        mysql_url, "SELECT kind, outcome, attempts, due_time > create_time, end_time IS NULL FROM mail"
    )
    assert sorted(found) == [(1, "SENT", 1, 1, 0), (99, "UNREADABLE", 1, 1, 1)]


@pytest.mark.requirement("DLV-03")
async def test_a_mail_whose_sender_died_is_sent_by_another_once_its_lease_ends(rooms: Rooms, mysql_url: str) -> None:
    dying, living = Slow(), Slow()
    dying.gate.clear()
    first, second = Post(rooms.mails, dying, poll_s=0.02), Post(rooms.mails, living, poll_s=0.02)
    await first.start()
    await rooms.sign_up("walkera")
    async with asyncio.timeout(60):
        while not await run_on(mysql_url, "SELECT 1 FROM mail WHERE attempts = 1"):  # noqa: ASYNC110 - MySQL tells no event
            await asyncio.sleep(0.01)
    await end([first._task])  # as if killed
    await second.start()
    await run_on(mysql_url, "UPDATE mail SET due_time = due_time - INTERVAL 61 SECOND")
    await until(lambda: living.sent)
    await second.stop()
    assert dying.sent == []


async def test_what_became_of_a_mail_stays_even_if_one_whose_lease_ran_out_fails_with_it_later(
    rooms: Rooms, mysql_url: str
) -> None:
    await rooms.sign_up("walkera")
    [late] = await rooms.mails.lease(1)
    await run_on(mysql_url, "UPDATE mail SET due_time = due_time - INTERVAL 61 SECOND")
    [mail] = await rooms.mails.lease(1)
    await rooms.mails.sent(mail)
    for for_good in (False, True):
        await rooms.mails.failed(late, "TIMEOUT", for_good=for_good)
    assert await run_on(mysql_url, "SELECT outcome, end_time IS NOT NULL FROM mail") == [("SENT", 1)]


async def test_no_mail_is_begun_that_the_rest_of_the_lease_is_too_short_for(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, leased = Slow(), 0
    take = rooms.mails.lease

    async def counted(limit: int) -> Sequence[Mail]:
        nonlocal leased
        leased += 1
        return await take(limit)

    for name in "ab":
        await rooms.sign_up(f"walker{name}")
    monkeypatch.setattr(rooms.mails, "lease", counted)
    monkeypatch.setattr("firewalker.user.post.LEASE_S", SEND_S)
    post = Post(rooms.mails, slow, poll_s=0.02)
    await post.start()
    await until(lambda: leased > 1)
    await post.stop()
    assert slow.sent == []


async def test_old_mails_and_tokens_are_forgotten(rooms: Rooms) -> None:
    slow = Slow()
    post = Post(rooms.mails, slow, poll_s=0.02)
    await post.start()
    await rooms.sign_up("walkera")
    await until(lambda: slow.sent)
    await post.stop()
    assert await rooms.mails.forget() == 0
    rooms.clock.advance(60 * 60 * 24 * 365 * 10)
    assert await rooms.mails.forget() == 2
    assert await rooms.mails.forget() == 0


def test_the_folder_of_mails_keeps_the_newest(tmp_path: Path) -> None:
    from firewalker.user.mail_folder import KEPT, MailFolder  # noqa: PLC0415 - one test's

    folder = MailFolder(tmp_path / "mail", "a@b.co", SystemClock())
    for number in range(KEPT + 3):
        folder._write(f"{number:05}.eml", b"x")
    names = sorted(path.name for path in (tmp_path / "mail").iterdir())
    assert (names[0], len(names)) == ("00003.eml", KEPT)
