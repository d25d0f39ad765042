"""Keys of AWS's instances are replaced as deploy/README.md says. Instances fetch files at different times, and read some of them only
when they start: so at every step, what still has the files of before works together with what has those of after.
"""

import os
import secrets
import time
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest
import secret_files as program
from firewalker_aws import plan

from firewalker.kernel.ids import MailId, SessionId
from firewalker.local.secrets import Secrets, make_secrets
from firewalker.runtime.grpc.credentials import ServiceCredentials
from firewalker.runtime.tokens import MAX_LIFETIME, KeyRing
from firewalker.user.config import read_key_ring
from firewalker.user.domain.mail_secret import MailKeys
from firewalker.user.domain.refresh_token import RefreshKeys
from firewalker.user.tokens import AccessTokenSigner

FETCHED_S = 300
"""How often instances fetch their secrets."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An operator's, with what only they can know."""
    made = tmp_path / "operators"
    made.mkdir()
    for service in plan.SERVICES:
        (made / f"{service}-mysql.url").write_text("mysql://x")
    for name in ("mail.url", "providers.json", "fcm.json"):
        (made / name).write_text("{}")
    return made


def put(folder: Path, service: str, into: Path) -> Path:
    """The files that an instance of *service* gets when the operator has put its secret."""
    into.mkdir()
    for name, text in program.content(folder, plan.DEV, service).items():
        (into / name).write_text(text)
    return into


def signer(files: Path) -> str:
    return AccessTokenSigner.from_file(files / "access_token.pem").key_id


def test_a_rotation_of_what_signs_access_tokens_fails_none(folder: Path, tmp_path: Path) -> None:
    before = put(folder, "user", tmp_path / "before")
    now_s = time.time() + program.SPREAD_S + 60
    program.rotate(folder, now_s)
    after = put(folder, "user", tmp_path / "after")
    elsewhere = put(folder, "step", tmp_path / "step")
    assert signer(after) != signer(before)
    # Who has not fetched yet knows the key that others sign with already.
    assert KeyRing.from_file(before / "jwks.json").find(signer(after), now_s)
    # Who has fetched takes what was signed with the old one last, which is when the hour is over.
    latest_s = now_s + program.SPREAD_S + MAX_LIFETIME.total_seconds()
    for files in (after, elsewhere):
        ring = KeyRing.from_file(files / "jwks.json")
        assert ring.find(signer(before), latest_s)
        assert ring.find(signer(before), latest_s + 600) is None
    assert program.SPREAD_S > 2 * FETCHED_S


def test_a_key_that_not_every_instance_has_does_not_sign(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_secrets(folder)
    key = made.next_access_token_key.read_bytes()
    monkeypatch.setattr("sys.argv", ["secret_files.py", str(folder), "rotate"])
    aged = time.time() - program.SPREAD_S / 2
    os.utime(made.next_access_token_key, (aged, aged))
    assert program.main() == 1
    assert "wait until every process has read it (3630 s)" in capsys.readouterr().err
    assert made.access_token_key.read_bytes() != key
    aged -= program.SPREAD_S
    os.utime(made.next_access_token_key, (aged, aged))
    assert program.main() == 0
    assert "within 60 minutes" in capsys.readouterr().out
    assert made.access_token_key.read_bytes() == key


def test_a_services_token_is_replaced_while_it_calls(folder: Path, tmp_path: Path) -> None:
    made = Secrets(folder)
    token, second = made.service_token("user"), made.second_service_token("user")
    steps = [(put(folder, "user", tmp_path / "u0"), put(folder, "step", tmp_path / "s0"))]

    def done(number: int) -> None:
        steps.append((put(folder, "user", tmp_path / f"u{number}"), put(folder, "step", tmp_path / f"s{number}")))

    second.write_text(secrets.token_urlsafe(32))
    done(1)
    old = token.rename(folder / "old")
    second.rename(token)
    old.rename(second)
    done(2)
    second.unlink()
    done(3)
    for (calling, called), (calling_after, called_after) in pairwise(steps):
        for caller in (calling, calling_after):
            for callee in (called, called_after):
                allowed = ServiceCredentials.from_file(callee / "services.allow")
                assert allowed.verify((caller / "service.token").read_text()) == "user"
    first, last = ((calling / "service.token").read_text() for calling, _ in (steps[0], steps[-1]))
    assert first != last
    assert len((steps[-1][1] / "services.allow").read_text().splitlines()) == 3


def test_refresh_keys_are_replaced_while_both_are_in_use(folder: Path, tmp_path: Path) -> None:
    made = make_secrets(folder)
    old, new = made.refresh_key.read_text().strip(), secrets.token_urlsafe(32)
    steps = [put(folder, "user", tmp_path / "0")]
    for number, lines in enumerate(([old, new], [new, old], [new]), 1):
        made.refresh_key.write_text("".join(f"{line}\n" for line in lines))
        steps.append(put(folder, "user", tmp_path / str(number)))
    rings = [read_key_ring(step / "refresh.key") for step in steps]
    session, mail = SessionId(uuid4()), MailId(uuid4())
    for earlier, later in [*pairwise(rings[:3])]:
        for issuing, opening in ((earlier, later), (later, earlier)):
            assert RefreshKeys(opening).open(RefreshKeys(issuing).issue(session, 1).text)
            assert MailKeys(opening).open(MailKeys(issuing).issue(mail)) == mail
    # A month later nothing that the old one made is in use.
    assert RefreshKeys(rings[3]).open(RefreshKeys(rings[2]).issue(session, 1).text)
    assert RefreshKeys(rings[3]).open(RefreshKeys(rings[1]).issue(session, 1).text) is None
