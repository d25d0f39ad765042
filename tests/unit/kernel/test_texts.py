"""What people write."""

import pytest

from firewalker.kernel.texts import is_printable, without_emoji


@pytest.mark.parametrize(
    "text",
    [
        *("", "한강 Runners", "🔥", "❤️‍🔥", "새벽 🏃‍♀️ 달리기", "👩🏽‍💻", "👨‍👩‍👧‍👦의 iPhone", "🏳️‍🌈", "🙂‍↔️", "1️⃣"),
        "\N{GRINNING FACE}\U0001faef",  # the last one is of a later Unicode than some Python that runs this
    ],
)
def test_what_is_seen_is_printable(text: str) -> None:
    assert is_printable(text)


@pytest.mark.parametrize(
    "text",
    [
        "a\nb",
        "\x00",
        "a\u200db",
        "\u200d🔥",
        "🔥\u200d",
        "🔥\u200d\u200d🔥",
        "️\u200d🔥",
        "a\u202eb",
        "a\u200bb",
        "\ud800",
        "+\u200d+",
        "\ufe0f",
        "🔥\ufe0f\ufe0f",
        "a \ufe0f",
        "\N{HANGUL FILLER}",
        "a\N{HANGUL FILLER}b",
        "\N{BRAILLE PATTERN BLANK}",
        "a\N{COMBINING GRAPHEME JOINER}b",
        "a\N{VARIATION SELECTOR-17}b",
    ],
)
def test_what_is_not_seen_is_not(text: str) -> None:
    assert not is_printable(text)


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        *(
            ("한강 Runners", "한강 Runners"),
            ("a_b^c `d` + <e>", "a_b^c `d` + <e>"),
            ("🔥", ""),
            ("👩🏽‍💻 새벽", " 새벽"),
        ),
        *(("1️⃣ club", "1 club"), ("🇰🇷x\U0001faef", "x")),
    ],
)
def test_without_emoji_letters_are_left(text: str, letters: str) -> None:
    assert without_emoji(text) == letters
