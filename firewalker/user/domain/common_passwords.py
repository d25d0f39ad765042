"""Passwords that anybody tries first.

The words are those that leaked most often, as zxcvbn ranks them (30 000, among them over 10 000 of 8 characters and more),
alone or with an ending that satisfies a form. What is a finger's slide over the keyboard, a date, or one thing twice has no
end and is recognised by its shape. What a particular user would choose first is `password`'s question.
"""

import re
from itertools import chain

from zxcvbn.frequency_lists import FREQUENCY_LISTS

_TYPED_KOREAN = """
tkfkdgo tkfkd qlalfqjsgh eogksalsrnr dkssud dkssudgktpdy qkqh gksrnr gkrtod ghkdlxld godqhr rkwhr clsrn wkddhr
"""
"""Common Korean words as they come out of a keyboard that is set to Latin (`tkfkdgo` is 사랑해): leaked lists have few."""

WORDS = frozenset((*FREQUENCY_LISTS["passwords"], *_TYPED_KOREAN.split(), "firewalker"))
"""The words, in lower case."""

ENDINGS = (
    "", "0", "1", "2", "3", "7", "9", "01", "07", "10", "11", "12", "13", "21", "22", "23", "69", "77", "88", "99", "00",
    "007", "101", "111", "123", "321", "666", "777", "1234", "4321", "12345", "123456", *map(str, range(1900, 2100)), "!", "!!", "1!", "12!", "123!", "1234!", "@1", "@12", "@123", "#1", ".", "s", "x", "xx",
)  # fmt: skip

_LEET = str.maketrans({"@": "a", "4": "a", "3": "e", "1": "i", "!": "i", "0": "o", "$": "s", "5": "s", "7": "t"})

_ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "abcdefghijklmnopqrstuvwxyz")
_COLUMNS = (
    "1qaz",
    "2wsx",
    "3edc",
    "4rfv",
    "5tgb",
    "6yhn",
    "7ujm",
    "8ik",
    "9ol",
    "0p",
    "147",
    "258",
    "369",
    "741",
    "852",
    "963",
)
_PIECES = frozenset(
    line[start : start + length]
    for whole in (*_ROWS, *_COLUMNS, *(row + row for row in _ROWS))
    for line in (whole, whole[::-1])
    for length in range(3, len(line) + 1)
    for start in range(len(line) - length + 1)
)
_LONGEST_PIECE = max(map(len, _PIECES))
_ZIPPED = frozenset(
    "".join(chain.from_iterable(zip(one[:length], other[:length], strict=True)))
    for one in _ROWS
    for other in _ROWS
    if one != other
    for length in range(3, min(len(one), len(other)) + 1)
)  # 1q2w3e4r and the like

_REPEATED = re.compile(r"(.{1,6})\1+(.{0,2})", re.DOTALL)
_DATE = re.compile(
    r"(?:(?:19|20)\d\d[-./ ]?(?:0[1-9]|1[0-2])[-./ ]?(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[1-9]|[12]\d|3[01])[-./ ]?(?:0[1-9]|[12]\d|3[01])[-./ ]?(?:19|20)\d\d)"
)


def is_common(password: str) -> bool:
    """Whether *password* is one of those that are tried first. Case does not matter, nor do digits that mimic letters."""
    text = password.casefold()
    return (
        _is_word(text)
        or _is_word(text[::-1])
        or text in _ZIPPED
        or _REPEATED.fullmatch(text) is not None
        or _DATE.fullmatch(text) is not None
        or _is_walk(text)
    )


def _is_word(text: str) -> bool:
    """Whether *text* is one of the words, perhaps with one of the endings."""
    stems = [text[: len(text) - len(ending)] for ending in ENDINGS if text.endswith(ending)]
    return any(stem in WORDS or stem.translate(_LEET) in WORDS for stem in stems)


def _is_walk(text: str) -> bool:
    """Whether *text* is nothing but pieces of keyboard rows, columns or the alphabet, three characters or more each.

    A last character or two may be anything: `qwerty12` is a walk too.
    """
    reached = {0}
    for end in range(3, len(text) + 1):
        if any(
            end - length in reached and text[end - length : end] in _PIECES
            for length in range(3, min(end, _LONGEST_PIECE) + 1)
        ):
            reached.add(end)
    return len(text) - 2 <= max(reached)
