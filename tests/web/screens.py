"""Every screen of the page, and how somebody gets there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from playwright.async_api import Page, expect

from tests.web.household import Household


@dataclass(frozen=True, slots=True)
class Screen:
    """One screen: its address, what shows that it is there, and what has to be done before."""

    name: str
    path: str
    ready: str
    """A selector."""
    steps: Callable[[Page], Awaitable[None]] | None = None


def _press(*names: str, role: Literal["button", "tab"] = "button") -> Callable[[Page], Awaitable[None]]:
    async def steps(page: Page) -> None:
        for name in names:
            await page.get_by_role(role, name=name, exact=True).click()

    return steps


async def _search(page: Page) -> None:
    await page.get_by_role("tab", name="Find", exact=True).click()
    await page.get_by_label("Nickname begins with").fill("jon")


async def _minji(page: Page) -> None:
    await page.get_by_role("button", name="Minji").click()


async def _manage(page: Page) -> None:
    await page.get_by_role("tab", name="Members", exact=True).click()
    await page.get_by_role("button", name="Manage Minji").click()


async def _report(page: Page) -> None:
    await _minji(page)
    await page.get_by_text("More", exact=True).click()
    await page.get_by_role("button", name="Report", exact=True).click()


async def _invitation(page: Page) -> None:
    await page.get_by_role("tab", name="Invite", exact=True).click()
    await page.get_by_role("button", name="Make an invitation").click()


SIGNED_OUT = (
    Screen("welcome", "/", "form"),
    Screen("sign-up", "/", "[name=nickname]", _press("Sign up")),
    Screen("forgot-password", "/", "text=We send you a mail", _press("Forgot your password?")),
    Screen("reset-password", "/reset-password", "[name=newPassword]"),
    Screen("verify-email", "/verify-email#token=none", "[role=alert]"),
)


def signed_in(household: Household) -> tuple[Screen, ...]:
    """The screens of who is signed in; the group's is that of *household*."""
    return (
        Screen("today", "/", ".by-hour canvas"),
        Screen("add-steps", "/", "dialog form", _press("Add steps")),
        Screen("person", "/", "dialog .cheers", _minji),
        Screen("history-week", "/#/history", ".chart canvas"),
        Screen("history-month", "/#/history", ".chart canvas", _press("Month", role="tab")),
        Screen("history-year", "/#/history", ".chart canvas", _press("Year", role="tab")),
        Screen("friends", "/#/friends", ".line"),
        Screen("friend-requests", "/#/friends", "text=Sofía", _press("Requests", role="tab")),
        Screen("find-friends", "/#/friends", ".results .line", _search),
        Screen("invitation", "/#/friends", "img.qr", _invitation),
        Screen("blocked", "/#/friends", "text=Viktor", _press("Blocked", role="tab")),
        Screen("groups", "/#/groups", ".tile"),
        Screen("group", f"/#/groups/{household.group_id}", ".row.me"),
        Screen("group-members", f"/#/groups/{household.group_id}", ".line", _press("Members", role="tab")),
        Screen("group-requests", f"/#/groups/{household.asked_id}", "text=Tariq", _press("Requests", role="tab")),
        Screen("notifications", "/#/inbox", ".line"),
        Screen("settings-me", "/#/settings", "[name=dailySteps]"),
        Screen("settings-news", "/#/settings", "[name=overtaken]", _press("Alerts", role="tab")),
        Screen("settings-look", "/#/settings", "[name=theme]", _press("Look", role="tab")),
        Screen("settings-security", "/#/settings", "text=This one", _press("Security", role="tab")),
        Screen("settings-account", "/#/settings", "text=Your data", _press("Account", role="tab")),
        Screen("lost", "/#/nowhere", "text=leads nowhere"),
        *_dialogs(household),
    )


def _dialogs(household: Household) -> tuple[Screen, ...]:
    """What opens in front of screens, besides adding steps and people."""
    group = f"/#/groups/{household.group_id}"
    return (
        Screen("report", "/", "dialog [name=reason]", _report),
        Screen("invited", "/?invite=none", "dialog .primary"),
        Screen("new-group", "/#/groups", "dialog [name=joinPolicy]", _press("New group")),
        Screen("join-group", "/#/groups", "dialog [name=code]", _press("Join")),
        Screen("edit-group", group, "dialog [name=maxMembers]", _press("Edit")),
        Screen("group-invitation", group, "dialog .copyable", _press("Invite")),
        Screen("confirmation", group, "dialog .danger", _press("Delete")),
        Screen("manage-member", group, "dialog .danger", _manage),
    )


async def visit(page: Page, screen: Screen) -> None:
    """Open *screen* as somebody would who reloads the page there."""
    await page.goto("about:blank")
    await page.goto(screen.path)
    await expect(page.locator("h1").first).to_be_visible()
    if screen.steps is not None:
        await screen.steps(page)
    await page.locator(screen.ready).first.wait_for()
    await expect(page.locator("[aria-busy=true]")).to_have_count(0)
    await still(page)


async def still(page: Page) -> None:
    """Return once nothing moves that will come to rest."""
    await page.evaluate(
        "Promise.all(document.getAnimations().filter(a => a.effect.getTiming().iterations !== Infinity).map(a => a.finished.catch(() => 0)))"
    )
