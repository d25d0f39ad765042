"""Every screen, looked at by axe and by its size: who sees badly, uses a small phone or a dark room can use it too."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from playwright.async_api import Page, expect

from tests.web.browsing import People
from tests.web.home import come_home
from tests.web.household import Household
from tests.web.screens import SIGNED_OUT, Screen, signed_in, visit

SMALL_PHONE = {"width": 360, "height": 740}


def _axe() -> str:
    found = importlib.util.find_spec("axe_playwright_python")
    assert found is not None
    assert found.origin is not None
    return next(Path(found.origin).parent.rglob("axe.min.js")).read_text("utf-8")


async def problems(page: Page, axe: str, name: str) -> list[str]:
    """What axe-core finds: everything in light, the contrasts again in dark, where nothing else differs."""
    await page.evaluate(axe)
    found = [f"{name}, light: {each}" for each in await _run(page, {})]
    await page.emulate_media(color_scheme="dark")
    rules = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
    found += [f"{name}, dark: {each}" for each in await _run(page, rules)]
    await page.emulate_media(color_scheme="light")
    over = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [*found, *([f"{name}: {over} pixels too wide"] if over > 0 else [])]


async def _run(page: Page, options: dict[str, Any]) -> list[str]:
    found = await page.evaluate("options => axe.run(document, {...options, resultTypes: ['violations']})", options)
    return [
        f"{rule['id']}: {node['html']} ({node['failureSummary']})"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


async def _look(page: Page, screens: tuple[Screen, ...]) -> list[str]:
    axe = _axe()
    found = []
    for screen in screens:
        await visit(page, screen)
        found += await problems(page, axe, screen.name)
    return found


async def test_axe_finds_nothing_on_the_way_in(people: People) -> None:
    somebody = await people.arrive(viewport=SMALL_PHONE, reduced_motion="reduce")
    somebody.watched.expect("status of 40[01] .*email:verify")  # by a token that was never made
    assert not await _look(somebody.page, SIGNED_OUT)


async def test_axe_finds_nothing_on_any_screen_inside(people: People, household: Household) -> None:
    ann = await come_home(people, household.ann, viewport=SMALL_PHONE, reduced_motion="reduce")
    assert not await _look(ann.page, signed_in(household))


async def test_axe_sees_what_is_wrong(people: People) -> None:
    somebody = await people.arrive(reduced_motion="reduce")
    await visit(somebody.page, SIGNED_OUT[0])
    await somebody.page.evaluate("document.querySelector('label').remove()")
    assert any("label" in each for each in await problems(somebody.page, _axe(), "welcome"))


async def test_the_documentation_is_as_dark_as_the_rest(people: People) -> None:
    for scheme in ("dark", "light"):
        page = (await people.arrive("/docs", color_scheme=scheme)).page
        await expect(page.get_by_text("/v1/notifications", exact=True)).to_be_visible()
        assert await page.evaluate("document.documentElement.classList.contains('dark-mode')") is (scheme == "dark")
