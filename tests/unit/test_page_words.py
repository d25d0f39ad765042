"""The words of the web page: all of them in both languages, none forgotten, none left over."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from firewalker.gen import __file__ as generated

APP = Path(__file__).resolve().parents[2] / "transcoder" / "web" / "app"
WORDS = {file.stem: json.loads(file.read_text("utf-8")) for file in (APP / "words").glob("*.json")}
CODE = "\n".join(file.read_text("utf-8") for file in sorted(APP.rglob("*.js")))

OWN_REASONS = {"OFFLINE", "SERVER", "UNKNOWN"}
"""What goes wrong without the API."""


def _base(key: str) -> str:
    """A key without the number that it is for: languages differ in those."""
    return re.sub(r"\.(one|other)$", "", key)


def test_both_languages_have_the_same_words() -> None:
    assert set(WORDS) == {"en", "ko"}
    assert {_base(key) for key in WORDS["en"]} == {_base(key) for key in WORDS["ko"]}


@pytest.mark.parametrize("locale", sorted(WORDS))
def test_every_number_has_its_words(locale: str) -> None:
    forms = {"en": {"one", "other"}, "ko": {"other"}}[locale]
    for base in {_base(key) for key in WORDS[locale] if _base(key) != key}:
        assert {key.rpartition(".")[2] for key in WORDS[locale] if _base(key) == base} == forms, base


def test_translations_have_the_same_places_for_names_and_numbers() -> None:
    for key, text in WORDS["ko"].items():
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", WORDS["en"][key])), key


def test_korean_words_are_korean() -> None:
    plain = {key for key, text in WORDS["ko"].items() if not re.search(r"[가-힣]", text)}
    assert plain == {"history.span"}


def test_every_word_that_the_page_asks_for_is_there() -> None:
    known = {_base(key) for key in WORDS["en"]} | set(WORDS["en"])
    asked = set(re.findall(r"""\bt\(\s*"([\w.]+)"[,)]""", CODE))
    assert len(asked) > 200
    assert asked <= known


def test_no_word_is_left_over() -> None:
    quoted = set(re.findall(r'"([\w.]+)"', CODE))
    prefixes = tuple(part for part in re.findall(r"`([\w.]+\.)\$", CODE))
    made = ("groups.leave", "groups.delete")  # with Title, Text and Done behind them
    for key in {_base(key) for key in WORDS["en"]}:
        assert key in quoted or key.startswith((*prefixes, *made)), key


def test_reasons_that_have_words_are_reasons() -> None:
    listed = (Path(generated).parent / "reasons.md").read_text("utf-8")
    known = set(re.findall(r"^\| `(\w+)`", listed, re.MULTILINE)) | OWN_REASONS
    spoken = {key.split(".")[1] for key in WORDS["en"] if key.startswith("error.")}
    assert spoken <= known
