"""What all other tests of the page rely on: that it opens, and that what must not happen is seen."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from tests.web.browsing import People, Person


async def test_the_page_opens(people: People) -> None:
    someone = await people.arrive()
    await expect(someone.page).to_have_title("Sign in · Firewalker")


async def seen(person: Person, words: str) -> None:
    """Return once *words* stand among the problems, and take them as expected."""
    async with asyncio.timeout(60):
        while not any(words in problem for problem in person.watched.problems):  # noqa: ASYNC110 - the browser tells nobody
            await asyncio.sleep(0.02)
    person.watched.expect(words)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            "document.body.append(Object.assign(new Image(), {src: 'https://other.example/a.png'}))",
            "Content Security Policy",
        ),
        (
            "document.body.append(Object.assign(document.createElement('script'), {text: '1'}))",
            "Content Security Policy",
        ),
        ("setTimeout(() => { throw new Error('broken') })", "script: broken"),
        ("console.error('oh dear')", "console: oh dear"),
        ("fetch('/v1/users/me')", "401"),
    ],
)
async def test_what_must_not_happen_is_seen(people: People, script: str, words: str) -> None:
    someone = await people.arrive()
    await someone.page.evaluate(script)
    await seen(someone, words)
    someone.watched.expect("https://other.example/a.png")
