"""What people write: whether all of it can be seen, and what of it is letters."""

from unicodedata import category

_JOINER = "\N{ZERO WIDTH JOINER}"
_SELECTORS = "\N{VARIATION SELECTOR-15}\N{VARIATION SELECTOR-16}"
"""They say whether the sign before them is in colour."""

_DRESS = _SELECTORS[1] + "".join(map(chr, range(0x1F3FB, 0x1F400)))
"""What may follow a pictograph and belongs to it: that it is in colour, and the colour of skin."""

_PICTOGRAPHS = range(0x1F000, 0x1FB00)
"""Where emoji are, and those will be that this Python does not know yet."""

_ARROWS = "\N{LEFT RIGHT ARROW}\N{UP DOWN ARROW}"
"""The two signs of mathematics that emoji are joined with; of the others, such as +, no emoji is made."""

_BLANK = frozenset(
    "\N{COMBINING GRAPHEME JOINER}\N{HANGUL CHOSEONG FILLER}\N{HANGUL JUNGSEONG FILLER}\N{HANGUL FILLER}"
    "\N{HALFWIDTH HANGUL FILLER}\N{KHMER VOWEL INHERENT AQ}\N{KHMER VOWEL INHERENT AA}\N{BRAILLE PATTERN BLANK}"
    + "".join(map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE0E), *range(0xE0100, 0xE01F0))))
)
"""What Python calls printable though nothing is seen of it: Unicode's default ignorables among letters and marks, and one
symbol. `_SELECTORS` are not of them.
"""


def is_printable(text: str) -> bool:
    """Whether *text* has no control characters and nothing invisible, but for what joins emoji into one, as in 🏃‍♀️."""
    return all(_is_seen(text, at) for at in range(len(text)))


def without_emoji(text: str) -> str:
    """*text* for typefaces that have no emoji: without them and whatever they are joined, coloured or framed with."""
    return "".join(
        character
        for character in text
        if ord(character) not in _PICTOGRAPHS and category(character) not in {"So", "Cf", "Mn", "Me", "Cn"}
    )


def _is_seen(text: str, at: int) -> bool:
    character = text[at]
    if character == _JOINER:
        return _joins(text, at)
    if character in _SELECTORS:
        return at > 0 and text[at - 1] not in _SELECTORS + " "
    return ord(character) in _PICTOGRAPHS or (character.isprintable() and character not in _BLANK)


def _joins(text: str, at: int) -> bool:
    before = text[:at].rstrip(_DRESS)
    return _is_pictograph(before[-1:]) and _is_pictograph(text[at + 1 : at + 2])


def _is_pictograph(character: str) -> bool:
    return character != "" and (ord(character) in _PICTOGRAPHS or category(character) == "So" or character in _ARROWS)
