"""One session of one browser: its cookie is shared by all tabs, and by what happens at once."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from playwright.async_api import Page, Route, expect

from tests.web.browsing import People
from tests.web.home import come_home
from tests.web.neighbours import PASSWORD, Neighbour, move_in

WITHOUT_LOCKS = "Object.defineProperty(navigator, 'locks', { value: undefined })"
"""As it is for pages over HTTP whose host is not this machine."""

WITHOUT_CHANNEL = "delete window.BroadcastChannel"
"""As if one tab did not hear of another in time."""

DURING_A_REFRESH = """async ([name, ...given]) => {
  const session = await import("/web/app/lib/session.js");
  const fetched = window.fetch;
  let release = null;
  const held = new Promise((resolve) => { release = resolve; });
  window.fetch = async (...call) => {
    const answer = await fetched(...call);
    if (call[0] === "/session/refresh") await held;
    return answer;
  };
  const refreshed = session.refresh().catch(() => {});
  const done = session[name](...given);
  await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 500))]);
  release();
  await Promise.all([refreshed, done]);
  window.fetch = fetched;
  return session.wasSignedIn();
}"""
"""Does *name* while the answer of a refresh is on its way, which comes when that is done, or when it waits."""


async def sign_out(page: Page) -> None:
    """As people do it."""
    await page.get_by_role("link", name="Settings").click()
    await page.get_by_role("tab", name="Security").click()
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("script", ["", WITHOUT_LOCKS], ids=["locks", "no-locks"])
async def test_who_signs_out_during_a_refresh_is_signed_out(
    people: People, client: httpx.AsyncClient, script: str
) -> None:
    ann = await come_home(people, await move_in(client), "about:blank")
    await ann.context.add_init_script(script)
    await ann.page.goto("/")
    await expect(ann.page.locator(".row")).to_have_count(1)
    assert not await ann.page.evaluate(DURING_A_REFRESH, ["signOut"])
    await expect(ann.page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("script", ["", WITHOUT_LOCKS], ids=["locks", "no-locks"])
async def test_who_signs_in_during_a_refresh_is_signed_in(
    people: People, client: httpx.AsyncClient, script: str
) -> None:
    ann = await move_in(client)
    somebody = await people.arrive(None)
    somebody.watched.expect("status of 401 .*session/refresh")
    await somebody.context.add_init_script(script)
    await somebody.page.goto("/")
    await expect(somebody.page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert await somebody.page.evaluate(DURING_A_REFRESH, ["signIn", {"email": ann.email, "password": PASSWORD}])


async def test_signing_out_without_the_cookie_ends_the_session(people: People, client: httpx.AsyncClient) -> None:
    ann = await move_in(client)
    at_home = await come_home(people, ann)
    await expect(at_home.page.locator(".row")).to_have_count(1)
    assert len((await ann.call("GET", "/v1/auth/sessions"))["sessions"]) == 2
    await at_home.context.clear_cookies()
    await sign_out(at_home.page)
    assert len((await ann.call("GET", "/v1/auth/sessions"))["sessions"]) == 1


async def test_signing_out_with_a_token_that_is_too_old_ends_the_session(
    people: People, client: httpx.AsyncClient
) -> None:
    ann = await move_in(client)
    at_home = await come_home(people, ann)
    at_home.watched.expect("status of 401 .*session/logout")
    await expect(at_home.page.locator(".row")).to_have_count(1)

    async def spoiled(route: Route) -> None:
        headers = {**route.request.headers}
        if "authorization" in headers:
            headers["authorization"] += "x"
        await route.continue_(headers=headers)

    await at_home.page.route("**/session/logout", spoiled)
    await sign_out(at_home.page)
    assert len((await ann.call("GET", "/v1/auth/sessions"))["sessions"]) == 1


async def test_all_tabs_notice_when_one_signs_out(people: People, client: httpx.AsyncClient) -> None:
    ann = await come_home(people, await move_in(client))
    ann.watched.expect("status of 401 .*session/refresh")  # whose streams end before it is told
    other = await ann.context.new_page()
    await other.goto("/#/history")
    for page in (ann.page, other):
        await expect(page.get_by_role("link", name="Settings")).to_be_visible()
    await sign_out(ann.page)
    await expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    await expect(other.get_by_text("You are signed out.")).to_be_visible()


async def sign_in(page: Page, who: Neighbour) -> None:
    """As people do it."""
    await page.get_by_label("E-mail address").fill(who.email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text(f"{who.nickname} (you)")).to_be_visible()


async def test_who_signs_in_in_one_tab_is_signed_in_in_all(people: People, client: httpx.AsyncClient) -> None:
    ann = await move_in(client)
    somebody = await people.arrive()
    other = await somebody.context.new_page()
    await other.goto("/#/history")
    await expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    await sign_in(somebody.page, ann)
    await expect(other.get_by_role("heading", name="History")).to_be_visible()


async def test_no_tab_goes_on_in_the_name_of_who_signed_in_in_another(
    people: People, client: httpx.AsyncClient
) -> None:
    xena, yuri = await move_in(client), await move_in(client)
    somebody = await people.arrive(None)
    somebody.watched.expect("status of 401")
    await somebody.context.add_init_script(WITHOUT_CHANNEL)
    tabs = [somebody.page, await somebody.context.new_page()]
    for page in tabs:
        await page.goto("/")
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await sign_in(tabs[0], xena)
    await tabs[0].evaluate("window.before = true")
    await sign_in(tabs[1], yuri)
    await expect(tabs[0].get_by_text(f"{yuri.nickname} (you)")).to_be_visible()
    assert not await tabs[0].evaluate("Boolean(window.before)")
    assert len((await xena.call("GET", "/v1/auth/sessions"))["sessions"]) == 1


async def test_who_has_another_session_by_now_goes_on_with_it(people: People, client: httpx.AsyncClient) -> None:
    ann = await move_in(client)
    at_home = await come_home(people, ann)
    at_home.watched.expect("status of 401")
    page = at_home.page
    await expect(page.locator(".row")).to_have_count(1)
    other = await at_home.context.new_page()
    await other.goto("/reset-password")
    script = "async (given) => (await import('/web/app/lib/session.js')).signIn(given)"
    async with page.expect_response("**/session/refresh") as refreshed:
        await other.evaluate(script, {"email": ann.email, "password": PASSWORD})
    assert (await refreshed.value).ok
    await ann.walk(700)
    await expect(page.locator(".row-steps")).to_have_text("700")


async def test_tabs_that_refresh_at_once_stay_signed_in(people: People, client: httpx.AsyncClient) -> None:
    ann = await come_home(people, await move_in(client))
    tabs = [ann.page, await ann.context.new_page()]
    await tabs[1].goto("/")
    for page in tabs:
        await expect(page.locator(".row")).to_have_count(1)
    script = "async () => (await import('/web/app/lib/session.js')).refresh()"
    for _ in range(4):
        await asyncio.gather(*(page.evaluate(script) for page in tabs))
    for page in tabs:
        await page.reload()
        await expect(page.locator(".row")).to_have_count(1)
