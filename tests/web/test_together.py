"""Friends, groups, cheers and news on the page."""

from __future__ import annotations

import asyncio
import re

import httpx
from playwright.async_api import Request, expect

from tests.web.browsing import People
from tests.web.home import come_home
from tests.web.neighbours import move_in
from tests.web.test_accounts import sign_up


async def test_an_invitation_leads_from_a_link_to_a_friendship(people: People, client: httpx.AsyncClient) -> None:
    host = await move_in(client)
    invite = (await host.call("POST", "/v1/friend-invites", {}))["invite"]
    guest = await people.arrive(f"/?invite={invite['code']}")
    await expect(guest.page.get_by_text("You are invited!")).to_be_visible()
    await guest.page.get_by_role("button", name="Sign in", exact=True).click()
    await sign_up(guest.page, "Guest")
    dialog = guest.page.get_by_role("dialog", name="You are invited")
    await dialog.get_by_role("button", name="Accept").click()
    await expect(guest.page.get_by_text(f"{host.nickname} is asked.")).to_be_visible()
    at_home = await come_home(people, host, "/#/friends")
    await at_home.page.get_by_role("tab", name="Requests").click()
    await at_home.page.get_by_role("button", name="Accept Guest").click()
    await expect(at_home.page.get_by_text("You and Guest are friends now.")).to_be_visible()
    await expect(guest.page.locator(".row")).to_have_count(2)


async def test_half_a_link_is_no_invitation(people: People, client: httpx.AsyncClient) -> None:
    at_home = await come_home(people, await move_in(client), "/?invite=half")
    at_home.watched.expect("status of 40[04]")
    dialog = at_home.page.get_by_role("dialog", name="You are invited")
    await dialog.get_by_role("button", name="Accept").click()
    await expect(dialog.get_by_role("alert")).to_have_text("This invitation does not work any more.")


async def test_a_cheer_arrives_while_somebody_looks(people: People, client: httpx.AsyncClient) -> None:
    ann, ben = await move_in(client), await move_in(client)
    await ann.befriend(ben)
    await ben.walk(500)
    hers, his = (await come_home(people, ann)).page, (await come_home(people, ben)).page
    await hers.get_by_role("button", name=ben.nickname).click()
    await hers.get_by_role("button", name="On fire").click()
    await expect(hers.get_by_text(f"{ben.nickname} hears your cheer.")).to_be_visible()
    await expect(his.locator(".toast")).to_contain_text(f"{ann.nickname} cheers you on!")
    bell = his.locator(".bell")
    await expect(bell).to_have_accessible_name(re.compile(r"^Notifications, .* unread$"))
    await bell.click()
    await expect(his.locator(".unread").first).to_contain_text(f"{ann.nickname} cheers you on!")
    await his.get_by_role("button", name="Mark all as read").click()
    await expect(bell).to_have_accessible_name("Notifications")


async def test_people_are_found_blocked_and_let_back(people: People, client: httpx.AsyncClient) -> None:
    ann, ben = await move_in(client), await move_in(client)
    page = (await come_home(people, ann, "/#/friends")).page
    await page.get_by_role("tab", name="Find").click()
    await page.get_by_label("Nickname begins with").fill(ben.nickname)
    await page.get_by_role("button", name=f"Ask {ben.nickname} to be friends").click()
    await expect(page.get_by_text(f"{ben.nickname} is asked.")).to_be_visible()
    await page.locator(".line-body").click()
    await page.get_by_role("dialog").get_by_text("More").click()
    await page.get_by_role("button", name="Block", exact=True).click()
    await page.get_by_role("dialog", name=f"Block {ben.nickname}?").get_by_role("button", name="Block").click()
    await expect(page.get_by_text(f"{ben.nickname} is blocked.")).to_be_visible()
    await page.get_by_role("tab", name="Blocked").click()
    await page.get_by_role("button", name=f"Unblock {ben.nickname}").click()
    await page.get_by_role("dialog").get_by_role("button", name="Unblock").click()
    await expect(page.get_by_text("Nobody is blocked")).to_be_visible()


async def test_a_group_from_its_making_to_its_end(people: People, client: httpx.AsyncClient) -> None:
    ann, ben = await move_in(client), await move_in(client)
    ann_at_home = await come_home(people, ann, "/#/groups")
    hers = ann_at_home.page
    await hers.get_by_role("button", name="New group").click()
    await hers.get_by_label("Name").fill("Early birds")
    await hers.get_by_role("button", name="Create").click()
    await expect(hers.get_by_role("heading", name="Early birds")).to_be_visible()
    await hers.get_by_role("button", name="Invite").click()
    code = await hers.get_by_label("Code").input_value()
    await hers.get_by_role("button", name="Close").click()
    ben_at_home = await come_home(people, ben, "/#/groups")
    his = ben_at_home.page
    for each in (ann_at_home, ben_at_home):
        each.watched.expect("status of 404 .*leaderboards")  # the board's service may hear of a member a moment later
    await his.get_by_role("button", name="Join").click()
    await his.get_by_label("Code").fill(code)
    await his.get_by_role("dialog").get_by_role("button", name="Join").click()
    await expect(his.locator(".row")).to_have_count(2)
    await expect(hers.locator(".row")).to_have_count(2)
    await his.get_by_role("button", name="Leave").click()
    await his.get_by_role("dialog").get_by_role("button", name="Leave").click()
    await expect(his.get_by_text("You left Early birds.")).to_be_visible()
    await expect(hers.locator(".row")).to_have_count(1)


async def test_a_group_that_is_edited_is_followed_once(people: People, client: httpx.AsyncClient) -> None:
    ann = await move_in(client)
    group = (await ann.call("POST", "/v1/groups", {"name": "Early birds"}))["group"]
    at_home = await come_home(people, ann, "about:blank")
    at_home.watched.expect("status of 404 .*leaderboards")  # the board's service may hear of the group a moment later
    page = at_home.page
    boards: list[Request] = []
    page.on("request", lambda request: boards.append(request) if "/leaderboards/groups/" in request.url else None)
    page.on("requestfailed", lambda request: boards.remove(request) if request in boards else None)
    page.on("requestfinished", lambda request: boards.remove(request) if request in boards else None)
    await page.goto(f"/#/groups/{group['groupId']}")
    for name in ("Larks", "Night owls", "Herons"):
        await expect(page.locator(".row")).to_have_count(1)
        await page.get_by_role("button", name="Edit").click()
        await page.get_by_role("dialog").get_by_label("Name").fill(name)
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("heading", name=name)).to_be_visible()
    await expect(page.locator(".row")).to_have_count(1)
    async with asyncio.timeout(60):
        while len(boards) != 1:  # noqa: ASYNC110 - a request that was given up is told of a moment later
            await asyncio.sleep(0.02)


async def test_what_goes_wrong_in_a_dialog_is_said_in_it(people: People, client: httpx.AsyncClient) -> None:
    ann, ben = await move_in(client), await move_in(client)
    await ann.befriend(ben)
    at_home = await come_home(people, ann)
    at_home.watched.expect("status of 500 .*cheer")
    page = at_home.page
    await page.route("**:cheer", lambda route: route.fulfill(status=500, json={"code": 13}))
    await page.get_by_role("button", name=ben.nickname).click()
    dialog = page.get_by_role("dialog", name=ben.nickname)
    await dialog.get_by_role("button", name="Clap").click()
    said = dialog.get_by_role("status").filter(has_text="Something broke on our side")
    await expect(said).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_role("status").filter(has_text="Something broke on our side")).to_be_visible()


async def test_all_that_is_shown_is_read_whatever_the_clock_says(people: People, client: httpx.AsyncClient) -> None:
    ann, ben = await move_in(client), await move_in(client)
    await ann.befriend(ben)
    at_home = await come_home(people, ann, "about:blank")
    await at_home.context.add_init_script(
        "const now = Date; Date = class extends now {"
        " constructor(...given) { if (given.length) super(...given); else super(now.now() - 86_400_000); } }"
    )
    page = at_home.page
    await page.goto("/#/inbox")
    await expect(page.locator(".unread").first).to_be_visible()
    await page.get_by_role("button", name="Mark all as read").click()
    await expect(page.locator(".line").first).to_be_visible()
    await expect(page.locator(".unread")).to_have_count(0)
