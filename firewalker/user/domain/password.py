"""Which passwords a user may set: ASVS 6.2, no more. Hashing and checking are elsewhere (`firewalker.user.passwords`).

Length and guessability count; kinds of characters do not, and nothing is cut off, trimmed or folded: what was typed
is what is hashed.
"""

from collections.abc import Iterable

from firewalker.kernel.faults import Fault, Violation
from firewalker.user.domain.common_passwords import is_common
from firewalker.user.domain.email import Email
from firewalker.user.domain.faults import PasswordTooCommon, PasswordTooLong, PasswordTooShort
from firewalker.user.domain.nickname import Nickname

MIN_PASSWORD_LENGTH = 8
"""Fewest code points (contract; ASVS 6.2.1)."""

MAX_PASSWORD_LENGTH = 128
"""Most code points (contract; ASVS 6.2.9 wants at least 64)."""

_MIN_WORD_LENGTH = 4  # shorter context words, such as a nickname of two letters, occur in good passwords too
_MIN_REST_LENGTH = 4  # what must be left of a password beside the words that anybody who knows the user would try


def ensure_acceptable(password: str, context: Iterable[str], *, field: str = "password") -> None:
    """Refuse a password that is too short, too long, or among the first that anybody would try.

    *context* are words that belong to this user (`words_of`): a password must have at least 4 characters beside each of them.
    *field* is where the request has it.

    Raises:
        PasswordTooShort: Fewer than 8 code points.
        PasswordTooLong: More than 128 code points.
        PasswordTooCommon: Common, or little more than a context word.
    """
    if len(password) < MIN_PASSWORD_LENGTH:
        raise _refused(PasswordTooShort, field)
    if len(password) > MAX_PASSWORD_LENGTH:
        raise _refused(PasswordTooLong, field)
    if is_common(password):
        raise _refused(PasswordTooCommon, field)
    text = password.casefold()
    for word in (word.casefold() for word in context if len(word) >= _MIN_WORD_LENGTH):
        if word in text and len(text.replace(word, "")) < _MIN_REST_LENGTH:
            raise _refused(PasswordTooCommon, field)


def words_of(nickname: Nickname | None, email: Email | None) -> list[str]:
    """What anybody who knows a user would try first: the nickname, what stands before the @ of the address, our own name."""
    names = [] if nickname is None else [nickname.text, nickname.key]
    return [*names, *([] if email is None else [email.local]), "firewalker"]


def _refused(fault: type[Fault], field: str) -> Fault:
    return fault(violations=[Violation(field, fault.message, fault.reason)])
