"""Nicknames: which letters they are made of, and when two look alike.

A nickname is brought to NFKC, so that full-width letters are ordinary ones and decomposed Hangul is composed. Then it may hold

- Hangul syllables (not single jamo, which NFKC turns into something that no keyboard types),
- Latin letters, with or without accents, and the few of them that do not decompose (`ø`, `ł`, `ß`, …),
- the ten ASCII digits,
- one of `_`, `-`, `.` or a space between two of the above.

Other scripts are left out on purpose, above all those that have letters looking like Latin ones (Cyrillic, Greek): a
name that cannot be typed by the friends who look for it, or that passes for another one, is worse than no name.
"""

import unicodedata
from dataclasses import dataclass

MIN_NICKNAME_LENGTH = 2
"""Fewest characters (contract), counted in code points after NFKC."""

MAX_NICKNAME_LENGTH = 20
"""Most characters (contract), counted in code points after NFKC."""

_MAX_TYPED_LENGTH = 4 * MAX_NICKNAME_LENGTH  # before NFKC: decomposed Hangul takes three code points a syllable

_SEPARATORS = frozenset("_-. ")

_UNDECOMPOSED = {
    "ø": "o",
    "ł": "l",
    "đ": "d",
    "ð": "d",
    "þ": "p",
    "æ": "ae",
    "œ": "oe",
    "ß": "ss",
    "\N{LATIN SMALL LETTER DOTLESS I}": "i",
    "ħ": "h",
}
"""Latin letters without a canonical decomposition, and what they are read as."""

_LOOK_ALIKES = str.maketrans({"0": "o", "1": "l", "i": "l"})
"""Characters that common typefaces draw alike, after case is gone: `I`, `l` and `1`; `O` and `0`."""

_LOOK_ALIKE_PAIRS = (("vv", "w"), ("rn", "m"))

NICKNAME_RULE = (
    f"must have {MIN_NICKNAME_LENGTH} to {MAX_NICKNAME_LENGTH} Korean or Latin letters or digits, with at most one of "
    "'_', '-', '.' or a space between two of them"
)
"""What `parse_nickname` asks for, in words for developers."""


@dataclass(frozen=True, slots=True)
class Nickname:
    """A public name, in NFKC. Two clash when their keys are equal."""

    text: str

    @property
    def key(self) -> str:
        """What is left when case, accents, separators and look-alikes are gone; at most 40 ASCII letters or Hangul."""
        letters = "".join(_plain(letter) for letter in self.text.casefold() if letter not in _SEPARATORS)
        letters = letters.translate(_LOOK_ALIKES)
        for pair, single in _LOOK_ALIKE_PAIRS:
            letters = letters.replace(pair, single)
        return letters


def parse_nickname(text: str) -> Nickname | None:
    """Read a nickname; None if it breaks the rules above. Spaces around it are not part of it."""
    if len(text) > _MAX_TYPED_LENGTH:
        return None
    name = unicodedata.normalize("NFKC", text.strip(" "))
    if not MIN_NICKNAME_LENGTH <= len(name) <= MAX_NICKNAME_LENGTH:
        return None
    after_letter = False
    for character in name:
        if character in _SEPARATORS:
            if not after_letter:
                return None
            after_letter = False
        elif _is_letter(character):
            after_letter = True
        else:
            return None
    return Nickname(name) if after_letter else None


def parse_beginning(text: str) -> str | None:
    """Read the beginning of a nickname, in lower case; None if it has fewer than 2 characters, or more than nicknames."""
    if len(text) > _MAX_TYPED_LENGTH:
        return None
    beginning = unicodedata.normalize("NFKC", text.lstrip(" ")).lower()
    return beginning if MIN_NICKNAME_LENGTH <= len(beginning) <= MAX_NICKNAME_LENGTH else None


def _is_letter(character: str) -> bool:
    if character.isascii():
        return character.isalnum()
    if "가" <= character <= "힣":
        return True
    base = _plain(character.lower())
    return base.isascii() and base.isalpha() and unicodedata.category(character) in {"Lu", "Ll"}


def _plain(letter: str) -> str:
    """The lower-case *letter* without accents; Hangul as it is."""
    if letter.isascii() or "가" <= letter <= "힣":
        return letter
    if letter in _UNDECOMPOSED:
        return _UNDECOMPOSED[letter]
    return "".join(part for part in unicodedata.normalize("NFD", letter) if not unicodedata.combining(part))
