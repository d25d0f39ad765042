"""Groups as their members change: what the head of the screen says and offers."""

from __future__ import annotations

import httpx
from playwright.async_api import Page, expect

from tests.web.browsing import People
from tests.web.home import come_home
from tests.web.neighbours import Neighbour, move_in


async def manage(page: Page, who: Neighbour, verb: str) -> None:
    """Do to a member what wants to be confirmed."""
    await page.get_by_role("button", name=f"Manage {who.nickname}").click()
    await page.get_by_role("button", name=verb).click()
    await page.get_by_role("dialog", name=verb).get_by_role("button", name=verb).click()
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_who_removes_a_member_and_hands_the_group_over_may_leave(
    people: People, client: httpx.AsyncClient
) -> None:
    ann, ben, cho = [await move_in(client) for _ in range(3)]
    group = (await ann.call("POST", "/v1/groups", {"name": "Early birds", "joinPolicy": "OPEN"}))["group"]
    for each in (ben, cho):
        await each.call("POST", "/v1/groups:join", {"groupId": group["groupId"]})
    at_home = await come_home(people, ann, f"/#/groups/{group['groupId']}")
    at_home.watched.expect("status of 404 .*leaderboards")  # the board's service may hear of the group a moment later
    page = at_home.page
    await page.get_by_role("tab", name="Members", exact=True).click()
    await manage(page, cho, "Remove from group")
    await expect(page.locator(".subtitle").first).to_contain_text("2 members")
    await manage(page, ben, "Hand the group over")
    await expect(page.get_by_role("tab", name="Members", exact=True)).to_have_attribute("aria-selected", "true")
    await expect(page.get_by_role("button", name="Delete")).to_have_count(0)
    await page.get_by_role("button", name="Leave").click()
    await page.get_by_role("dialog").get_by_role("button", name="Leave").click()
    await expect(page.get_by_text("You left Early birds.")).to_be_visible()


async def test_who_is_let_in_is_counted(people: People, client: httpx.AsyncClient) -> None:
    ann, ben = await move_in(client), await move_in(client)
    group = (await ann.call("POST", "/v1/groups", {"name": "Larks", "joinPolicy": "REQUEST"}))["group"]
    await ben.call("POST", "/v1/groups:join", {"groupId": group["groupId"]})
    at_home = await come_home(people, ann, f"/#/groups/{group['groupId']}")
    at_home.watched.expect("status of 404 .*leaderboards")  # the board's service may hear of the group a moment later
    page = at_home.page
    await page.get_by_role("tab", name="Requests").click()
    await page.get_by_role("button", name=f"Accept {ben.nickname}").click()
    await expect(page.locator(".subtitle").first).to_contain_text("2 members")
    await expect(page.get_by_text("Nobody waits")).to_be_visible()


async def test_who_thinks_better_of_it_is_back_where_they_were(people: People, client: httpx.AsyncClient) -> None:
    ann = await move_in(client)
    group = (await ann.call("POST", "/v1/groups", {"name": "Larks"}))["group"]
    at_home = await come_home(people, ann, f"/#/groups/{group['groupId']}")
    at_home.watched.expect("status of 404 .*leaderboards")  # the board's service may hear of the group a moment later
    leave = at_home.page.get_by_role("button", name="Leave")
    await leave.click()
    await at_home.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    await expect(leave).to_be_focused()
    await expect(leave).to_be_enabled()
