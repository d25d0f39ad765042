"""What was lost on the way: answers that never came, streams that broke off, and people who press twice."""

from __future__ import annotations

import asyncio

import httpx
from playwright.async_api import Download, Request, Route, expect

from tests.support.waiting import until_true
from tests.web.browsing import People
from tests.web.home import come_home
from tests.web.neighbours import move_in

CUT_OFF = (
    '{"kind":"profile","fields":{}}\n'
    '{"error":{"code":14,"message":"away","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo",'
    '"reason":"SERVICE_UNAVAILABLE"}]}}\n'
)
"""An export of which one service was away."""


async def test_what_is_sent_again_after_a_lost_answer_is_done_once(people: People, client: httpx.AsyncClient) -> None:
    ann = await move_in(client)
    at_home = await come_home(people, ann, "/#/groups")
    at_home.watched.expect("net::ERR_FAILED")
    page = at_home.page
    lost: list[str] = []

    async def lose(route: Route) -> None:
        if route.request.method != "POST" or lost:
            await route.continue_()
            return
        lost.append(await (await route.fetch()).text())
        await route.abort()

    await page.route("**/v1/groups", lose)
    await page.get_by_role("button", name="New group").click()
    await page.get_by_label("Name").fill("Early birds")
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("There is no connection")
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("heading", name="Early birds")).to_be_visible()
    groups = (await ann.call("GET", "/v1/groups"))["groups"]
    assert [group["groupId"] in lost[0] for group in groups] == [True]


async def test_what_is_asked_again_after_an_answer_is_done_again(people: People, client: httpx.AsyncClient) -> None:
    ann = await move_in(client)
    page = (await come_home(people, ann, "/#/groups")).page
    made = await page.evaluate("""async () => {
      const { once } = await import("/web/app/lib/api.js");
      const ids = [];
      for (const name of ["Larks", "Larks"]) ids.push((await once("/v1/groups", { name })).group.groupId);
      return ids;
    }""")
    assert len(set(made)) == 2


async def test_who_clicks_twice_cheers_once(people: People, client: httpx.AsyncClient) -> None:
    ann, ben = await move_in(client), await move_in(client)
    await ann.befriend(ben)
    page = (await come_home(people, ann)).page
    cheers: list[Request] = []
    clicked = asyncio.Event()

    async def wait(route: Route) -> None:
        cheers.append(route.request)
        await clicked.wait()
        await route.continue_()

    await page.route("**:cheer", wait)
    await page.get_by_role("button", name=ben.nickname).click()
    await page.get_by_role("button", name="Clap").dblclick()
    clicked.set()
    await expect(page.get_by_text(f"{ben.nickname} hears your cheer.")).to_be_visible()
    assert len(cheers) == 1


async def test_an_invitation_whose_picture_failed_is_made_once(people: People, client: httpx.AsyncClient) -> None:
    at_home = await come_home(people, await move_in(client), "/#/friends")
    at_home.watched.expect("net::ERR_FAILED")
    page = at_home.page
    made: list[Request] = []
    page.on("request", lambda request: made.append(request) if request.url.endswith("/friend-invites") else None)
    await page.route("**:qr", lambda route: route.abort(), times=1)
    await page.get_by_role("tab", name="Invite").click()
    await page.get_by_role("button", name="Make an invitation").click()
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator("img.qr")).to_be_visible()
    assert len(made) == 1


async def test_half_an_export_is_not_saved(people: People, client: httpx.AsyncClient) -> None:
    page = (await come_home(people, await move_in(client), "/#/settings")).page
    saved: list[Download] = []
    page.on("download", lambda download: saved.append(download))  # noqa: PLW0108 - Playwright cannot look into builtin methods
    await page.route(
        "**/v1/users/me:export", lambda route: route.fulfill(content_type="application/x-ndjson", body=CUT_OFF), times=1
    )
    await page.get_by_role("tab", name="Account").click()
    await page.get_by_role("button", name="Download").click()
    await expect(page.locator(".toast")).to_contain_text("A part of the service cannot be reached.")
    async with page.expect_download() as whole:
        await page.get_by_role("button", name="Download").click()
    assert saved == [await whole.value]


async def test_the_inbox_shows_what_came_while_nobody_listened(people: People, client: httpx.AsyncClient) -> None:
    ann, ben = await move_in(client), await move_in(client)
    at_home = await come_home(people, ann, "about:blank")
    page = at_home.page
    streams: list[str] = []
    listed = asyncio.Event()

    async def broken_off(route: Route) -> None:
        streams.append(route.request.url)
        if len(streams) == 1:
            await route.fulfill(content_type="text/event-stream", body='data: {"unreadCount":0}\n\n')
            return
        await listed.wait()
        await route.continue_()

    async def arrived(count: int) -> bool:
        return len((await ann.call("GET", "/v1/notifications"))["notifications"]) == count

    await until_true(lambda: arrived(1))  # that she has signed in
    await page.route("**/notifications:watch*", broken_off)
    await page.goto("/#/inbox")
    await expect(page.locator(".line")).to_have_count(1)
    await ben.call("POST", "/v1/friend-requests", {"userId": ann.user_id})
    await until_true(lambda: arrived(2))
    listed.set()
    await expect(page.locator(".line").first).to_contain_text(ben.nickname)
