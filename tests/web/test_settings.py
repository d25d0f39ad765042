"""What people decide, and that it holds."""

from __future__ import annotations

from pathlib import Path

import httpx
from playwright.async_api import expect

from tests.support.waiting import until_true
from tests.web.browsing import People
from tests.web.home import come_home
from tests.web.neighbours import Neighbour, move_in
from tests.web.test_accounts import mail_with


async def test_what_is_decided_holds(people: People, client: httpx.AsyncClient) -> None:
    ann = await move_in(client)
    page = (await come_home(people, ann, "/#/settings")).page
    # What was saved is asked of the service: messages go by themselves, and are three at most.
    goal = page.get_by_role("region", name="Daily goal")
    await goal.get_by_label("Steps a day").fill("9050")
    await goal.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved")).to_be_visible()
    await until_true(lambda: _is(ann, "/v1/goals/me", "goal", "dailySteps", 9050))
    visibility = page.get_by_role("region", name="What friends see")
    await visibility.get_by_label("Rank only").check()
    await visibility.get_by_role("button", name="Save").click()
    await until_true(lambda: _is(ann, "/v1/users/me", "user", "visibility", "RANK_ONLY"))
    await page.get_by_role("tab", name="Alerts").click()
    quiet = page.get_by_role("region", name="Quiet hours")
    await quiet.get_by_label("From").fill("21:30")
    await quiet.get_by_role("button", name="Save").click()
    hours = {"start": "21:30", "end": "08:00"}
    await until_true(lambda: _is(ann, "/v1/notifications/preferences", "preferences", "quietHours", hours))
    await page.get_by_label("Somebody passes me").select_option("Off")
    await page.get_by_role("region", name="What you hear of").get_by_role("button", name="Save").click()

    async def off() -> bool:
        channels = (await ann.call("GET", "/v1/notifications/preferences"))["preferences"]["channels"]
        return bool(channels["overtaken"] == "OFF" and channels["cheer"] == "PUSH")

    await until_true(off)


async def _is(person: Neighbour, path: str, resource: str, field: str, value: object) -> bool:
    return bool((await person.call("GET", path))[resource].get(field) == value)


async def test_an_address_that_was_confirmed_elsewhere_is_shown_so(
    people: People, client: httpx.AsyncClient, mails: Path
) -> None:
    ann = await move_in(client)
    at_home = await come_home(people, ann, "/#/settings")
    page = at_home.page
    await page.get_by_role("tab", name="Account").click()
    await expect(page.get_by_text("Not confirmed", exact=True)).to_be_visible()
    other = await at_home.context.new_page()
    await other.goto(await mail_with(mails, ann.email, "verify-email"))
    await expect(other.get_by_text("Your e-mail address is confirmed.")).to_be_visible()
    await page.get_by_role("tab", name="Look").click()
    await page.get_by_role("tab", name="Account").click()
    await expect(page.get_by_text("Confirmed", exact=True)).to_be_visible()


async def test_language_and_colours_are_kept(people: People, client: httpx.AsyncClient) -> None:
    ann = await move_in(client)
    page = (await come_home(people, ann, "/#/settings", color_scheme="light")).page
    await page.get_by_role("tab", name="Look").click()
    ground = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(ground)
    await page.get_by_label("Dark").check(force=True)
    assert await page.evaluate(ground) != light
    await page.get_by_label("한국어").check(force=True)
    await expect(page.get_by_role("heading", level=1)).to_have_text("설정")
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text("설정")
    assert await page.evaluate(ground) != light
    assert await page.evaluate("document.documentElement.lang") == "ko"


async def test_everything_can_be_done_with_the_keyboard(people: People, client: httpx.AsyncClient) -> None:
    ann, ben = await move_in(client), await move_in(client)
    await ann.befriend(ben)
    await ben.walk(900)
    page = (await people.arrive()).page
    press = page.keyboard.press
    focused = page.locator("*:focus")
    await page.get_by_label("E-mail address").focus()
    await page.keyboard.type(ann.email)
    await press("Tab")
    await page.keyboard.type("a long walk home")
    await press("Enter")
    await expect(page.get_by_role("heading", name="Today")).to_be_focused()
    await page.reload()
    await expect(page.locator(".row")).to_have_count(2)
    await press("Tab")
    await expect(focused).to_have_text("Skip to content")
    await press("Enter")
    await expect(page.get_by_role("main")).to_be_focused()
    await press("Tab")
    await expect(focused).to_have_text("Add steps")
    await press("Tab")
    await expect(focused).to_contain_text(ben.nickname)
    await press("Enter")
    await expect(page.get_by_role("dialog", name=ben.nickname)).to_be_visible()
    await expect(page.locator(".cheers")).to_be_visible()
    await press("Tab")
    await expect(focused).to_have_accessible_name("Clap")
    await press("Escape")
    await expect(focused).to_contain_text(ben.nickname)
    await page.get_by_role("link", name="History").focus()
    await press("Enter")
    await expect(page.get_by_role("heading", name="History")).to_be_focused()
    await press("Tab")
    await expect(page.get_by_role("tab", name="Week")).to_be_focused()
    await press("ArrowRight")
    await expect(page.get_by_role("tab", name="Month")).to_be_focused()
    await expect(page.get_by_role("tab", name="Month")).to_have_attribute("aria-selected", "true")
