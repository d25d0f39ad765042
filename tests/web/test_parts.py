"""Parts of the page by themselves, as its modules are: what no screen shows at will."""

from __future__ import annotations

from tests.web.browsing import People


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
