"""Operators at work beside a running service: reports are read and closed, accounts disabled and enabled again."""

import asyncio
import hashlib
import hmac
import json
import os
import re
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator, MutableMapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from firewalker.cli import account_states as accounts_command
from firewalker.cli import reports as reports_command
from firewalker.cli import terminal
from firewalker.cli.app import app
from firewalker.cli.operators import harmless
from firewalker.cli.terminal import CommandError
from firewalker.kernel.ids import SessionId, UserId, new_uuid7
from firewalker.runtime.revocation import RevocationView
from firewalker.user.domain.account import AccountState
from firewalker.user.domain.report import Reason
from firewalker.user.operating import governing, reporting
from firewalker.user.usecases.account_states import AccountStates
from firewalker.user.usecases.reports import Reports
from tests.service.user.conftest import PASSWORD, Person, World
from tests.service.user.test_deletions import becomes, befriend
from tests.service.user.test_providers import NEW, issuer, login, providers_file, shop
from tests.service.user.test_sessions import becomes_revoked
from tests.support.issuer import Issuer
from tests.support.waiting import until

__all__ = ["issuer", "providers_file", "shop"]

AWAY = "redis://127.0.0.1:1/0"
"""Nobody listens there."""


LOG_KEY = b"k" * 32


class Office(NamedTuple):
    accounts: AccountStates
    reports: Reports


@pytest.fixture
async def office(mysql_url: str, redis_url: str) -> AsyncIterator[Office]:
    async with governing(mysql_url, redis_url) as accounts, reporting(mysql_url) as reports:
        yield Office(accounts, reports)


@pytest.fixture
async def elsewhere(redis_url: str) -> AsyncIterator[RevocationView]:
    """What another process knows, which cannot ask MySQL."""
    async with RevocationView(redis_url) as view:
        yield view


@pytest.fixture
def lines() -> Iterator[list[MutableMapping[str, Any]]]:
    with capture_logs() as captured:
        yield captured


@pytest.fixture
def at_terminal(mysql_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIREWALKER_USER_MYSQL_URL", mysql_url)
    monkeypatch.setenv("FIREWALKER_REDIS_URL", redis_url)
    monkeypatch.setattr(terminal.out, "width", 200)


@pytest.fixture
def container(mysql_url: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment in one: little more than where the secrets are."""
    secrets = {
        "FIREWALKER_USER_MYSQL_URL_FILE": mysql_url,
        "FIREWALKER_REDIS_URL_FILE": redis_url,
        "FIREWALKER_USER_LOG_PSEUDONYM_KEY_FILE": urlsafe_b64encode(LOG_KEY).decode(),
    }
    for name, secret in secrets.items():
        (tmp_path / name).write_text(secret)
    files = {name: str(tmp_path / name) for name in secrets}
    return {"PATH": os.environ["PATH"], "FIREWALKER_USER_LOG_FORMAT": "json", **files}


def id_of(person: Person) -> UserId:
    return UserId(UUID(person.user_id))


def session_of(person: Person) -> SessionId:
    return SessionId(UUID(person.tokens.session_id))


async def report(world: World, by: Person, of: Person, reason: str, text: str = "") -> None:
    world.clock.advance(1)
    await world.call("ReportUser", by.access, user_id=of.user_id, reason=reason, text=text)


@pytest.mark.requirement("AUTH-34", "AUTH-15")
async def test_a_disabled_user_is_signed_out_everywhere_and_cannot_sign_in(
    world: World, elsewhere: RevocationView, container: dict[str, str], tmp_path: Path
) -> None:
    phone, bystander = await world.sign_up(installation_id="phone-1"), await world.sign_up()
    laptop = await world.sign_in(phone)
    wrong = await world.refusal("Login", email=phone.email, password="a wrong one")
    words = [sys.executable, "-m", "firewalker.cli", "account", "disable", phone.email, "--by", "Kim"]
    pipe = asyncio.subprocess.PIPE
    command = await asyncio.create_subprocess_exec(*words, cwd=tmp_path, env=container, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(60):
        shown, log = (text.decode() for text in await command.communicate())
    assert command.returncode == 0, log
    assert f"({phone.user_id}): disabled" in shown
    assert "2 sessions ended" in shown
    for person in (phone, laptop):
        await becomes_revoked(world, person.access)
        await until(partial(elsewhere.has_ended, session_of(person)), 60)
        refusal = await world.refusal("Refresh", refresh_token=person.tokens.refresh_token)
        assert refusal.reason == "REFRESH_TOKEN_INVALID"
    assert (await world.refusal("Login", email=phone.email, password=PASSWORD)).body == wrong.body
    # Their devices are detached: so nothing more is pushed to them.
    await until(lambda: len(world.notification.of("session_ended")) == 2, 60)
    told = {(told.session_id, told.installation_id) for told in world.notification.of("session_ended")}
    assert told == {(phone.tokens.session_id, "phone-1"), (laptop.tokens.session_id, "")}
    assert (await world.call("GetMe", bystander.access)).user.user_id == bystander.user_id
    # The command's own log is the service's, under the same pseudonyms.
    pseudonym = hmac.new(LOG_KEY, phone.user_id.encode(), hashlib.sha256).hexdigest()[:16]
    written = [(line["event"], line["user_id"]) for line in map(json.loads, log.splitlines()) if "user_id" in line]
    assert written == [("account disabled", pseudonym), *[("session ended", pseudonym)] * 2]


async def test_nothing_is_erased_and_an_enabled_user_goes_on_where_they_were(
    world: World, office: Office, lines: list[MutableMapping[str, Any]]
) -> None:
    ann, bob = await world.sign_up("Ann"), await world.sign_up("Bob")
    await befriend(world, ann, bob)
    for _ in range(2):
        await office.accounts.disable(id_of(ann), "Kim")
    [friend] = (await world.call("ListFriends", bob.access)).friends
    assert friend.nickname == "Ann"
    assert (await world.call("GetUser", bob.access, user_id=ann.user_id)).user.nickname == "Ann"
    assert [user.nickname for user in (await world.call("SearchUsers", bob.access, query="ann")).users] == ["Ann"]
    taken = await world.refusal("SignUp", email=ann.email, password=PASSWORD, nickname="Ann 2", time_zone="UTC")
    assert taken.reason == "EMAIL_TAKEN"
    for _ in range(2):
        await office.accounts.enable(id_of(ann), "Lee")
    again = await world.sign_in(ann)
    [friend] = (await world.call("ListFriends", again.access)).friends
    assert friend.nickname == "Bob"
    # Tokens from before stay worth nothing.
    assert (await world.refusal("Refresh", refresh_token=ann.tokens.refresh_token)).reason == "REFRESH_TOKEN_INVALID"
    standing = await office.accounts.standing(id_of(ann))
    decided = [(decision.state, decision.operator) for decision in standing.decisions]
    assert decided == [(AccountState.ACTIVE, "Lee"), (AccountState.DISABLED, "Kim")]
    # The security log has it too, with who decided.
    written = [(line["event"], line["operator"]) for line in lines if line["event"].startswith("account ")]
    assert written == [("account disabled", "Kim"), ("account enabled", "Lee")]
    [ended] = [line for line in lines if line["event"] == "session ended"]
    assert (str(ended["user_id"]), ended["why"]) == (ann.user_id, "REVOKED")


@pytest.mark.requirement("AUTH-34")
async def test_no_mail_and_no_identity_lets_a_disabled_user_in(shop: World, office: Office, issuer: Issuer) -> None:
    ann = await shop.sign_up("Ann")
    await shop.call("LinkProvider", ann.access, provider=2, id_token=issuer.token())
    verify = await shop.token(ann.email)
    await shop.call("RequestPasswordReset", email=ann.email)
    reset = await shop.token(ann.email, 2)
    await shop.call("ChangeEmail", ann.access, new_email="thief@example.org", password=PASSWORD)
    change = await shop.token("thief@example.org")
    await office.accounts.disable(id_of(ann), "Kim")
    invalid = "MAIL_TOKEN_INVALID"
    assert (await shop.refusal("ResetPassword", token=reset, new_password="fog on the bridge")).reason == invalid
    assert (await shop.refusal("VerifyEmail", token=verify)).reason == invalid
    refusal = await shop.refusal("LoginWithProvider", provider=2, id_token=issuer.token())
    assert (refusal.status, refusal.reason) == ("UNAUTHENTICATED", "BAD_CREDENTIALS")
    # Nor is another account made of the identity, and no further mail is written.
    refusal = await shop.refusal(
        "LoginWithProvider", provider=2, id_token=issuer.token(), nickname="Bo", time_zone="UTC"
    )
    assert refusal.reason == "BAD_CREDENTIALS"
    await shop.call("RequestPasswordReset", email=ann.email)
    await becomes(shop, "SELECT COUNT(*) FROM mail WHERE outcome = 'NOBODY'", [(1,)])
    assert len(shop.mails(ann.email)) == 2
    await office.accounts.enable(id_of(ann), "Kim")
    # What was asked for before is worth nothing after it.
    assert (await shop.refusal("VerifyEmail", token=change)).reason == invalid
    assert (await shop.refusal("ResetPassword", token=reset, new_password="fog on the bridge")).reason == invalid
    assert not (await login(shop, issuer.token(), **NEW)).created


async def test_who_signs_in_while_the_account_is_disabled_has_no_session_in_the_end(
    world: World, mysql_url: str
) -> None:
    """Redis cannot be reached by the operator here: the service tells of the ends itself."""
    ann = await world.sign_up()
    attempts = [asyncio.create_task(world.outcome("Login", email=ann.email, password=PASSWORD)) for _ in range(4)]
    attempts.append(asyncio.create_task(world.outcome("Refresh", refresh_token=ann.tokens.refresh_token)))
    await asyncio.wait(attempts, return_when=asyncio.FIRST_COMPLETED)
    async with governing(mysql_url, AWAY) as accounts:
        await accounts.disable(id_of(ann), "Kim")
    assert set(await asyncio.gather(*attempts)) <= {"OK", "BAD_CREDENTIALS", "REFRESH_TOKEN_INVALID"}
    assert await world.sql("SELECT COUNT(*) FROM session WHERE end_time IS NULL") == [(0,)]
    await becomes_revoked(world, ann.access)


@pytest.mark.alone
@pytest.mark.requirement("AUTH-20")
async def test_another_process_knows_within_a_second(world: World, office: Office, elsewhere: RevocationView) -> None:
    ann = await world.sign_up()
    took = []
    for _ in range(3):
        person = await world.sign_in(ann)
        began = time.monotonic()
        await office.accounts.disable(id_of(ann), "Kim")
        await until(partial(elsewhere.has_ended, session_of(person)), 60)
        took.append(time.monotonic() - began)
        await office.accounts.enable(id_of(ann), "Kim")
    assert min(took) < 1, took


async def test_reports_are_grouped_by_whom_they_are_of_and_closed_once(world: World, office: Office) -> None:
    ann, bob, cat = await world.sign_up("Ann"), await world.sign_up("Bob"), await world.sign_up("Cat")
    await report(world, ann, cat, "CHEATING", "100 000 in an hour")
    await report(world, ann, cat, "SPAM")
    await report(world, bob, cat, "CHEATING")
    await report(world, cat, bob, "HARASSMENT", "again")
    first, second = await office.reports.list_reported(10)
    assert (first.nickname, first.reports, first.reporters) == ("Bob", 1, 1)
    assert (second.nickname, second.state, second.reports, second.reporters) == ("Cat", AccountState.ACTIVE, 3, 2)
    assert second.reasons == {Reason.CHEATING: 2, Reason.SPAM: 1}
    assert [found.user_id for found in await office.reports.list_reported(1)] == [id_of(bob)]
    kept = await office.reports.list_of(id_of(cat), 10)
    assert [(one.reporter_nickname, one.report.reason.name) for one in kept] == [
        ("Bob", "CHEATING"),
        ("Ann", "SPAM"),
        ("Ann", "CHEATING"),
    ]
    assert await office.reports.close(kept[0].report_id, "Kim") is True
    assert await office.reports.close(kept[0].report_id, "Lee") is False
    assert await office.reports.close(new_uuid7(), "Kim") is None
    assert await office.reports.close_of(id_of(cat), "Lee") == 2
    assert await office.reports.close_of(id_of(cat), "Lee") == 0
    assert [one.closed_by for one in await office.reports.list_of(id_of(cat), 10)] == ["Kim", "Lee", "Lee"]
    await report(world, ann, cat, "SPAM", "and again")
    assert [(found.nickname, found.reports) for found in await office.reports.list_reported(10)] == [
        ("Cat", 1),
        ("Bob", 1),
    ]


@pytest.mark.usefixtures("at_terminal")
async def test_operators_read_close_and_disable_at_the_terminal(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    def shown() -> list[str]:
        # Other parts of the process may log meanwhile.
        lines = capsys.readouterr().out.splitlines()
        return [line for line in lines if not re.match(r"[\d-]+ [\d:]+ \[|\d\d:\d\d:\d\d\.", line)]

    ann, cat = await world.sign_up("Ann"), await world.sign_up("Cat")
    await reports_command.show()
    assert shown() == ["No report is open."]
    await report(world, ann, cat, "CHEATING", "[bold]look[/]\x1b[2J")
    await reports_command.show()
    who, what = shown()
    assert who == f"{cat.user_id}  Cat  active"
    assert re.fullmatch(r"    1 report by 1 user, newest [\d-]+ [\d:]+ UTC: 1 CHEATING", what)
    await accounts_command.disable(cat.email, "Kim")
    first, second, third = shown()
    assert first == f"Cat ({cat.user_id}): disabled"
    assert re.fullmatch(r"  disabled from [\d-]+ [\d:]+ UTC on, said Kim", second)
    assert third == "1 session ended"
    await reports_command.show_of(cat.user_id)
    *_, about, text = shown()
    assert "CHEATING  by Ann" in about
    assert "  open  " in about
    assert text == "    [bold]look[/]\N{REPLACEMENT CHARACTER}[2J"
    await reports_command.close(about.split()[-1], "Kim")
    await reports_command.close(cat.user_id, "Kim")
    assert shown() == ["1 report closed", "No report of them is open."]
    await reports_command.show_of(cat.email)
    assert re.search(r"closed [\d-]+ [\d:]+ by Kim", shown()[-2])
    await accounts_command.enable(cat.user_id, "Kim")
    await accounts_command.show(cat.email)
    assert "active from" in shown()[1]
    for whom in ("nobody", str(new_uuid7()), "nobody@example.org"):
        for command in (accounts_command.disable, accounts_command.enable, reports_command.close):
            with pytest.raises(CommandError):
                await command(whom, "Kim")
    with pytest.raises(CommandError):
        await accounts_command.disable(cat.email, "x" * 65)


@pytest.mark.usefixtures("at_terminal")
def test_the_commands_take_what_the_page_says() -> None:
    """Nothing is migrated in this database: only who is asked for is looked at."""
    run = CliRunner()
    for words in (["reports", "nobody"], ["reports", "of", "nobody"], ["reports", "close", "nobody"]):
        outcome = run.invoke(app, words)
        assert isinstance(outcome.exception, CommandError), words
        assert "A user id or an e-mail address" in str(outcome.exception), words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("안녕 👨‍👩‍👧", "안녕 👨‍👩‍👧"),
        ("a\nb", "a\nb"),
        ("\x1b[31m", "\N{REPLACEMENT CHARACTER}[31m"),
        ("a\u202eb", "a\N{REPLACEMENT CHARACTER}b"),
    ],
)
def test_nothing_that_strangers_wrote_is_obeyed_by_a_terminal(text: str, shown: str) -> None:
    assert harmless(text) == shown
