"""E-mail addresses: which are taken, and when two are the same."""

import re
from dataclasses import dataclass

MAX_EMAIL_LENGTH = 254
"""Characters of an address (RFC 5321, 4.5.3.1.3: a path of 256 octets less its two angle brackets)."""

_MAX_LOCAL_LENGTH = 64  # octets before the @ (RFC 5321, 4.5.3.1.1)
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(
    rf"(?!.*=\?)(?P<local>{_ATOM}(?:\.{_ATOM})*)@(?P<domain>(?:{_LABEL}\.)+(?!\d+\Z){_LABEL})",
    re.ASCII,
)

EMAIL_RULE = f"must be an address such as name@example.org, at most {MAX_EMAIL_LENGTH} characters"
"""What `parse_email` asks for, in words for developers."""


@dataclass(frozen=True, slots=True)
class Email:
    """An address as its owner wrote it. Two are the same when their keys are."""

    text: str

    @property
    def key(self) -> str:
        """The lower-case address. Mail systems may tell case apart before the @; in practice none does."""
        return self.text.lower()

    @property
    def local(self) -> str:
        """What stands before the @."""
        return self.text.partition("@")[0]


def parse_email(text: str) -> Email | None:
    """Read an address; None if it is none.

    Taken are dot-atoms at a domain name of two labels or more, in ASCII: names with other letters are written in their
    `xn--` form. Not taken: quoted local parts, comments, address literals, and "=?", which begins an encoded word (RFC 2047):
    in the header of a mail it would be read as another address.
    """
    if len(text) > MAX_EMAIL_LENGTH:
        return None
    match = _ADDRESS.fullmatch(text)
    if match is None or len(match["local"]) > _MAX_LOCAL_LENGTH:
        return None
    return Email(text)
