"""The ways in and out, as people walk them: by hand, with the mails that they get."""

from __future__ import annotations

import asyncio
import email as email_parser
import re
from email import policy
from pathlib import Path
from uuid import uuid4

import httpx
from playwright.async_api import Page, expect

from tests.web.browsing import People
from tests.web.home import come_home
from tests.web.neighbours import PASSWORD, Neighbour, move_in

CHOSEN = "another long walk home"


async def sign_up(page: Page, nickname: str) -> str:
    """Fill the form in and send it; the address."""
    email = f"{uuid4().hex}@example.com"
    await page.get_by_role("button", name="Sign up").click()
    await page.get_by_label("Nickname").fill(nickname)
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Create account").click()
    return email


async def mail_with(mails: Path, email: str, path: str) -> str:
    """The link to *path* in the mail to *email*, once it is there."""
    async with asyncio.timeout(60):
        while True:
            found = _link(mails, email, path)
            if found is not None:
                return found
            await asyncio.sleep(0.05)


def _link(mails: Path, email: str, path: str) -> str | None:
    for file in mails.rglob("*.eml"):
        mail = email_parser.message_from_bytes(file.read_bytes(), policy=policy.default)
        body = mail.get_body()
        found = re.search(rf"/{path}#token=\S+", body.get_content()) if body is not None else None
        if found and email in str(mail["to"]):
            return found[0]
    return None


async def test_who_signs_up_in_korean_is_told_in_korean(people: People) -> None:
    newcomer = await people.arrive(locale="ko-KR", timezone_id="Europe/Berlin")
    page = newcomer.page
    await page.get_by_role("button", name="회원가입").click()
    await page.get_by_label("닉네임").fill("지수")
    await page.get_by_label("이메일 주소").fill("no address")
    await page.get_by_label("비밀번호").fill(PASSWORD)
    await page.get_by_role("button", name="계정 만들기").click()
    await expect(page.get_by_text("이메일 주소 형식이 아니에요.")).to_be_visible()
    await page.get_by_label("이메일 주소").fill(f"{uuid4().hex}@example.com")
    async with page.expect_response("**/v1/notifications/preferences*") as told:
        await page.get_by_role("button", name="계정 만들기").click()
    assert (await (await told.value).json())["preferences"]["locale"] == "ko"
    await expect(page.get_by_text("지수 (나)")).to_be_visible()


async def test_from_sign_up_to_the_board_and_out_again(people: People) -> None:
    newcomer = await people.arrive()
    page = newcomer.page
    await sign_up(page, "Ava")
    await expect(page.get_by_role("heading", name="Today")).to_be_visible()
    await expect(page.get_by_text("Ava (you)")).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("Ava (you)")).to_be_visible()
    kept = await page.evaluate("JSON.stringify(localStorage) + document.cookie")
    assert "fwr1_" not in kept
    assert "eyJ" not in kept
    await page.get_by_role("link", name="Settings").click()
    await page.get_by_role("tab", name="Security").click()
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_what_is_wrong_stands_beside_its_field(people: People, client: httpx.AsyncClient) -> None:
    known = await move_in(client)
    newcomer = await people.arrive()
    newcomer.watched.expect("status of 40[019]")
    page = newcomer.page
    await sign_up(page, known.nickname)
    nickname = page.get_by_label("Nickname")
    await expect(nickname).to_have_attribute("aria-invalid", "true")
    await expect(nickname).to_be_focused()
    await expect(page.get_by_text("Somebody has this nickname already.")).to_be_visible()
    await nickname.fill("x")
    await page.get_by_role("button", name="Create account").click()
    await expect(page.get_by_text("2 to 20 Korean or Latin letters or digits")).to_be_visible()
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_label("E-mail address").fill(known.email)
    await page.get_by_label("Password").fill("wrong, of course")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_have_text("E-mail address or password is wrong.")


async def test_links_in_mails_confirm_an_address_and_change_a_password(
    people: People, client: httpx.AsyncClient, mails: Path
) -> None:
    forgetful = await move_in(client)
    somebody = await people.arrive(await mail_with(mails, forgetful.email, "verify-email"))
    page = somebody.page
    await expect(page.get_by_text("Your e-mail address is confirmed.")).to_be_visible()
    assert "token" not in page.url
    assert (await forgetful.call("GET", "/v1/users/me"))["user"]["emailVerified"]
    await page.goto("/")
    await page.get_by_role("button", name="Forgot your password?").click()
    await page.get_by_label("E-mail address").fill(forgetful.email)
    await page.get_by_role("button", name="Send the mail").click()
    await expect(page.get_by_text("a mail is on its way")).to_be_visible()
    await page.goto(await mail_with(mails, forgetful.email, "reset-password"))
    await expect(page.get_by_label("New password")).to_be_visible()
    assert await page.evaluate("[location.hash, history.state]") == ["", None]
    await page.reload()
    await page.get_by_label("New password").fill(CHOSEN)
    await page.get_by_role("button", name="Set password").click()
    await expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    assert await page.evaluate("sessionStorage.length") == 0
    await page.get_by_role("link", name="Sign in").click()
    await page.get_by_label("E-mail address").fill(forgetful.email)
    await page.get_by_label("Password").fill(CHOSEN)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Today")).to_be_visible()


async def test_a_session_that_ends_elsewhere_ends_here(people: People, client: httpx.AsyncClient) -> None:
    owner = await move_in(client)
    browser = await come_home(people, owner)
    browser.watched.expect("status of 401")
    await expect(browser.page.locator("[data-state=live]")).to_be_visible()
    await owner.call("POST", "/v1/auth/logout-everywhere", {})
    await expect(browser.page.get_by_role("heading", name="Sign in")).to_be_visible()
    await expect(browser.page.get_by_text("You are signed out.")).to_be_visible()


async def test_the_account_can_be_taken_along_and_ended(people: People, client: httpx.AsyncClient) -> None:
    leaver = await move_in(client)
    browser = await come_home(people, leaver, "/#/settings")
    browser.watched.expect("status of 401 .*session/refresh")  # streams may end before the answer is there
    page = browser.page
    await page.get_by_role("tab", name="Account").click()
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download").click()
    saved = (await (await download.value).path()).read_text("utf-8")
    assert leaver.email in saved
    await page.get_by_label("Password").last.fill(PASSWORD)
    await page.get_by_role("button", name="Delete for good").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert not await can_sign_in(client, leaver)


async def can_sign_in(client: httpx.AsyncClient, who: Neighbour) -> bool:
    """Whether the account is there."""
    answer = await client.post("/v1/auth/login", json={"email": who.email, "password": PASSWORD})
    return answer.is_success
