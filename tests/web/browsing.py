"""Browsers of people: each a context of its own, with cookies and storage of its own, watched for what must not happen."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request, expect

WAIT_MS = 60_000
"""How long a page may take to show what is waited for; on an idle machine it takes a hundredth."""

expect.set_options(timeout=WAIT_MS)


class Watched:
    """What happened on the pages of one browser that must not: errors on the console, scripts that fail, foreign hosts.

    Violations of the content security policy are errors on the console.
    """

    def __init__(self, site: str) -> None:
        self.problems: list[str] = []
        self._host = urlsplit(site).netloc
        self._expected: list[re.Pattern[str]] = []

    def expect(self, pattern: str) -> None:
        """Errors that match *pattern* belong to the test: Chromium writes every refused request on the console."""
        self._expected.append(re.compile(pattern))

    def unexpected(self) -> list[str]:
        """What nobody expected."""
        return [each for each in self.problems if not any(pattern.search(each) for pattern in self._expected)]

    def watch(self, context: BrowserContext) -> None:
        """Take note from now on."""
        context.on("console", self._console)
        context.on("weberror", lambda error: self.problems.append(f"script: {error.error}"))
        context.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and parts.netloc != self._host:
            self.problems.append(f"request to another host: {request.url}")


class Person:
    """Somebody at a browser."""

    def __init__(self, context: BrowserContext, page: Page, watched: Watched) -> None:
        self.context = context
        self.page = page
        self.watched = watched

    async def close(self) -> None:
        """Leave."""
        await self.context.close()


class People:
    """Opens browsers for people who come to *site*, and looks after all of them."""

    def __init__(self, browser: Browser, site: str) -> None:
        self.site = site
        self._browser = browser
        self._there: list[Person] = []

    async def arrive(self, path: str | None = "/", **options: Any) -> Person:
        """Somebody who opens *path*, or nothing yet if it is None.

        *options* are those of Playwright's contexts: viewport, color_scheme, locale, reduced_motion, timezone_id.
        """
        context = await self._browser.new_context(
            **{"base_url": self.site, "viewport": {"width": 390, "height": 844}, "locale": "en-GB", **options}
        )
        context.set_default_timeout(WAIT_MS)
        watched = Watched(self.site)
        watched.watch(context)
        person = Person(context, await context.new_page(), watched)
        self._there.append(person)
        if path is not None:
            await person.page.goto(path)
        return person

    async def leave(self) -> list[str]:
        """Close all browsers; what happened in them that must not."""
        found = [problem for person in self._there for problem in person.watched.unexpected()]
        for person in self._there:
            try:
                await person.close()
            except Error:
                found.append("a browser died")
        self._there.clear()
        return found
