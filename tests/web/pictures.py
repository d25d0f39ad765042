"""Pictures of every screen, light and dark, on a small phone and on a desk: `make screenshots`. They are to be looked at."""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

import httpx
from PIL import Image
from playwright.async_api import Browser, Page, async_playwright

from firewalker.local.backend import Backend
from tests.web import chromium
from tests.web.browsing import People
from tests.web.home import come_home
from tests.web.household import Household, settle
from tests.web.screens import SIGNED_OUT, Screen, signed_in, visit

FOLDER: Final = Path(__file__).resolve().parents[2] / "transcoder" / "docs" / "screens"
SIZES: Final = {360: 740, 1280: 800}
THEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
COLOURS: Final = 128
READY_LIMIT_S: Final = 120
PLAIN: Final = {
    "forgot-password",
    "verify-email",
    "lost",
    "blocked",
    "group-requests",
    "report",
    "invited",
    "new-group",
    "join-group",
    "edit-group",
    "group-invitation",
    "confirmation",
    "manage-member",
}
"""Screens and dialogs that have nothing to show that others do not."""


def _quiet(_name: str, _line: str) -> None:
    """Take a line of a process, and keep it to oneself."""


async def _all(browser: Browser, site: str) -> None:
    async with httpx.AsyncClient(base_url=site, timeout=30) as client:
        household = await settle(client)
    people = People(browser, site)
    for width, height in SIZES.items():
        options = {"viewport": {"width": width, "height": height}, "reduced_motion": "reduce"}
        await _of_one_size(people, household, options)
    problems = await people.leave()
    if problems:
        raise SystemExit("\n".join(problems))


async def _of_one_size(people: People, household: Household, options: dict[str, Any]) -> None:
    stranger = await people.arrive(None, **options)
    ann = await come_home(people, household.ann, **options)
    for person, screens in ((stranger, SIGNED_OUT), (ann, signed_in(household))):
        for screen in screens:
            if screen.name not in PLAIN:
                await _take(person.page, screen, options["viewport"]["width"])
        await person.page.close()
    await _in_korean(people, household, options)


async def _in_korean(people: People, household: Household, options: dict[str, Any]) -> None:
    """The first screen once more, as most will see it."""
    ann = await come_home(people, household.ann, **{**options, "locale": "ko-KR"})
    await _take(ann.page, replace(signed_in(household)[0], name="today-in-korean"), options["viewport"]["width"])
    await ann.page.close()


async def _take(page: Page, screen: Screen, width: int) -> None:
    await page.emulate_media(color_scheme="light")
    await visit(page, screen)
    await page.evaluate("document.querySelectorAll('.toast').forEach(toast => toast.remove())")
    for theme in THEMES:
        await page.emulate_media(color_scheme=theme)
        await page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        _save(await page.screenshot(), FOLDER / f"{screen.name}-{width}-{theme}.png")


def _save(picture: bytes, path: Path) -> None:
    with Image.open(io.BytesIO(picture)) as found:
        few = found.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(path, optimize=True)


async def main() -> int:
    """Start a backend, let people move in, take the pictures."""
    found = chromium.find(lambda _line: None)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            Backend.start(Path(folder), within_s=READY_LIMIT_S, say=_quiet) as backend,
            async_playwright() as playwright,
        ):
            browser = await playwright.chromium.launch(
                executable_path=found.path, args=found.arguments(), env={**chromium.plain(), **found.environment}
            )
            await _all(browser, f"http://{backend.address('transcoder')}")
            await browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
