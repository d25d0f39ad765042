"""What people write: whether all of it can be seen, and what of it is letters."""

from unicodedata import category

_JOINER = "\N{ZERO WIDTH JOINER}"
_DRESS = "\N{VARIATION SELECTOR-16}" + "".join(map(chr, range(0x1F3FB, 0x1F400)))
"""What may follow a pictograph and belongs to it: that it is in colour, and the colour of skin."""

_PICTOGRAPHS = range(0x1F000, 0x1FB00)
"""Where emoji are, and those will be that this Python does not know yet."""


def is_printable(text: str) -> bool:
    """Whether *text* has no control characters and nothing invisible, but for what joins emoji into one, as in 🏃‍♀️."""
    return text.isprintable() or all(
        character.isprintable() or ord(character) in _PICTOGRAPHS or (character == _JOINER and _joins(text, at))
        for at, character in enumerate(text)
    )


def without_emoji(text: str) -> str:
    """*text* for typefaces that have no emoji: without them and whatever they are joined, coloured or framed with."""
    return "".join(
        character
        for character in text
        if ord(character) not in _PICTOGRAPHS and category(character) not in {"So", "Cf", "Mn", "Me", "Cn"}
    )


def _joins(text: str, at: int) -> bool:
    before = text[:at].rstrip(_DRESS)
    return _is_pictograph(before[-1:]) and _is_pictograph(text[at + 1 : at + 2])


def _is_pictograph(character: str) -> bool:
    return character != "" and (ord(character) in _PICTOGRAPHS or category(character) in {"So", "Sm"})
