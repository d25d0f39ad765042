"""One session of one browser: its cookie is shared by all tabs, and by what happens at once."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from playwright.async_api import Page, Route, expect

from tests.web.browsing import People
from tests.web.home import come_home
from tests.web.neighbours import PASSWORD, move_in

WITHOUT_LOCKS = "Object.defineProperty(navigator, 'locks', { value: undefined })"
"""As it is for pages over HTTP whose host is not this machine."""

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
    other = await ann.context.new_page()
    await other.goto("/#/history")
    for page in (ann.page, other):
        await expect(page.get_by_role("link", name="Settings")).to_be_visible()
    await sign_out(ann.page)
    await expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    await expect(other.get_by_text("You are signed out.")).to_be_visible()


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
