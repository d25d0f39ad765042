"""Parts of the page by themselves, as its modules are: what no screen shows at will."""

from __future__ import annotations

from playwright.async_api import expect

from tests.web.browsing import People
from tests.web.home import come_home
from tests.web.household import Household


async def test_what_was_asked_for_last_is_shown_whichever_is_answered_last(people: People) -> None:
    somebody = await people.arrive()
    shown = await somebody.page.evaluate("""async () => {
      const { loaded } = await import("/web/app/parts/states.js");
      const place = document.createElement("div");
      const answers = [];
      const drawings = [];
      const again = loaded(place, {
        load: () => new Promise((resolve) => answers.push(resolve)),
        draw: (text, drawing) => { drawings.push(drawing); return text; },
        signal: new AbortController().signal,
      });
      const later = again({ quietly: true });
      answers[1]("new");
      await later;
      answers[0]("old");
      await new Promise((resolve) => setTimeout(resolve));
      const first = place.textContent;
      const once = again({ quietly: true });
      answers[2]("newest");
      await once;
      return [first, place.textContent, drawings.map((each) => each.aborted)];
    }""")
    assert shown == ["new", "newest", [True, False]]


async def test_ties_that_come_about_stand_in_the_order_in_which_they_did(people: People) -> None:
    somebody = await people.arrive()
    order = await somebody.page.evaluate("""async () => {
      const { Standings } = await import("/web/app/lib/standings.js");
      const board = new Standings();
      const row = (userId, rank, steps, freshness = "LIVE") => ({ userId, rank, steps, freshness });
      const change = (...entries) => board.apply({ changes: { removedUserIds: [], entries, version: "v" } });
      board.apply({ snapshot: { date: "2026-01-01", version: "v", entries: [row("A", 1, 150), row("B", 2, 100)] } });
      change(row("B", 1, 200), row("A", 2, 150));
      change(row("A", 1, 200));
      change(row("B", 1, 200, "RECENT"));
      return board.rows.map((each) => each.userId + each.freshness);
    }""")
    assert order == ["BRECENT", "ALIVE"]


async def test_months_have_room_for_their_names_in_every_language(people: People) -> None:
    somebody = await people.arrive()
    names = await somebody.page.evaluate("""async () => {
      const { speak } = await import("/web/app/lib/words.js");
      const { barsOf } = await import("/web/app/screens/periods.js");
      const series = Array.from({ length: 12 }, (_, month) => ({ date: `2026-${String(month + 1).padStart(2, "0")}-01`, goal: 0, hasData: false }));
      const found = {};
      for (const locale of ["en", "ko"]) {
        await speak(locale);
        found[locale] = barsOf({ period: "YEAR", series }).map((bar) => bar.label).join();
      }
      return found;
    }""")
    assert names == {"en": "J,F,M,A,M,J,J,A,S,O,N,D", "ko": "1월,,3월,,5월,,7월,,9월,,11월,"}


async def test_what_is_over_listens_no_more(people: People) -> None:
    somebody = await people.arrive()
    left = await somebody.page.evaluate("""async () => {
      const { follow } = await import("/web/app/lib/follow.js");
      const { openDialog } = await import("/web/app/parts/dialog.js");
      const counted = () => {
        const { signal } = new AbortController();
        const there = new Set();
        signal.addEventListener = (name, listener) => there.add(listener);
        signal.removeEventListener = (name, listener) => there.delete(listener);
        return { signal, there };
      };
      const screen = counted();
      for (const title of ["one", "two", "three"]) {
        const dialog = openDialog(title, title, { signal: screen.signal });
        const closed = new Promise((resolve) => dialog.addEventListener("close", resolve));
        dialog.close();
        await closed;
      }
      const board = counted();
      Object.defineProperty(document, "visibilityState", { get: () => "hidden" });
      follow({ path: "/nowhere", signal: board.signal });
      for (let turn = 0; turn < 5; turn += 1) {
        await new Promise((resolve) => setTimeout(resolve));
        document.dispatchEvent(new Event("visibilitychange"));
      }
      await new Promise((resolve) => setTimeout(resolve));
      return [screen.there.size, board.there.size];
    }""")
    assert left == [0, 1]


async def test_an_address_that_means_nothing_leads_nowhere(people: People, household: Household) -> None:
    ann = await come_home(people, household.ann, "/#/groups/%zz")
    await expect(ann.page.get_by_role("link", name="To the board")).to_be_visible()


async def test_a_page_without_words_says_so_in_both_languages(people: People) -> None:
    somebody = await people.arrive(None)
    somebody.watched.expect("net::ERR_FAILED .*words")
    await somebody.page.route("**/words/*.json", lambda route: route.abort())
    await somebody.page.goto("/")
    await expect(somebody.page.get_by_role("alert")).to_contain_text("could not be loaded")
    await expect(somebody.page.get_by_role("alert")).to_contain_text("불러오지 못했습니다")
    await somebody.page.unroute("**/words/*.json")
    await somebody.page.get_by_role("button").click()
    await expect(somebody.page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_an_answer_that_nobody_waits_for_is_no_lost_network(people: People) -> None:
    somebody = await people.arrive()
    kind = await somebody.page.evaluate("""async () => {
      const { anonymous } = await import("/web/app/lib/api.js");
      const given = () => Promise.reject(new DOMException("left", "AbortError"));
      window.fetch = async () => ({ ok: true, json: given });
      return anonymous("/v1/nothing", {}).catch((error) => error.name);
    }""")
    assert kind == "AbortError"
