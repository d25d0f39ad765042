"""The words of mails, in Korean and English (`mails/`). Plain text: nothing is fetched, nothing is tracked."""

from dataclasses import dataclass
from importlib.resources import files

from firewalker.kernel.languages import lives_in_korean
from firewalker.user.domain.mail import MailKind


@dataclass(frozen=True, slots=True, repr=False)
class Letter:
    """A mail, ready to be sent. Never shown: its body may hold a token."""

    email: str
    subject: str
    body: str


_PATHS = {MailKind.VERIFY: "verify-email", MailKind.CHANGE: "verify-email", MailKind.RESET: "reset-password"}

_TEXTS = {
    (locale, kind): (files("firewalker.user.domain") / "mails" / locale / f"{kind.name.lower()}.txt").read_text("utf-8")
    for locale in ("en", "ko")
    for kind in MailKind
}
"""One file each: the subject, an empty line, the body."""


def letter(
    kind: MailKind, *, email: str, nickname: str, time_zone: str, token: str | None = None, link_url: str = ""
) -> Letter:
    """The mail of that kind to *email*. *token* where the kind has one; the link to it begins with *link_url*.

    In links the token stands behind the #, which no browser sends to a server and no server logs.
    """
    subject, _, body = _TEXTS["ko" if lives_in_korean(time_zone) else "en", kind].partition("\n\n")
    link = f"{link_url}/{_PATHS[kind]}#token={token}" if token is not None else ""
    return Letter(email, subject, body.format(nickname=nickname, link=link, token=token))
