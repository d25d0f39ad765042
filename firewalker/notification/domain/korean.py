"""Korean particles: which of two forms follows a word depends on whether its last sound is a consonant."""

import re

_FIRST, _LAST, _FINALS = 0xAC00, 0xD7A3, 28
"""Hangul syllables in Unicode: 28 for each beginning, the first of them without a final consonant."""

_CLOSED_DIGITS = frozenset("013678")
"""Digits whose Korean names end in a consonant: 영 일 삼 육 칠 팔."""

_CLOSED_LETTERS = frozenset("LMNR")
"""Letters whose Korean names end in a consonant: 엘 엠 엔 알; for words in capitals, which are spelt out."""

_CLOSED_WORD = re.compile(r"(?:[lmn]e?|ng|[aeiou](?:ck|[bcpkt]))$", re.IGNORECASE)
"""Latin words that Korean takes over with a final consonant: Ann, Time, King, Rick, Bob; but Mark is 마크."""


def ends_closed(word: str) -> bool | None:
    """Whether the last sound of *word* is a consonant; None if that cannot be told. Signs at its end are not spoken."""
    spoken = re.sub(r"[\W_]+$", "", word)
    if not spoken:
        return None
    last = spoken[-1]
    if _FIRST <= ord(last) <= _LAST:
        return (ord(last) - _FIRST) % _FINALS != 0
    if last in "0123456789":
        return last in _CLOSED_DIGITS
    if not last.isascii():
        return None
    tail = re.findall(r"[A-Za-z]+$", spoken)[0]
    if tail.isupper():
        return last in _CLOSED_LETTERS
    return _CLOSED_WORD.search(tail) is not None


class Word(str):
    """A word in a Korean template: ``{group:이/가}`` is the word with the particle that fits it.

    The form after a consonant comes first. Where the sound is not known both are written, as forms do: ``이(가)``.
    """

    __slots__ = ()

    def __format__(self, particles: str) -> str:
        closed_form, slash, open_form = particles.partition("/")
        if not slash:
            return super().__format__(particles)
        closed = ends_closed(self)
        if closed is None:
            return f"{self}{closed_form}({open_form})"
        return f"{self}{closed_form if closed else open_form}"
