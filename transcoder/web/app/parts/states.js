// What a screen shows while it has nothing to show: it waits, there is nothing, or it failed.

import { h, put } from "../lib/dom.js";
import { explain } from "../lib/failure.js";
import { t } from "../lib/words.js";
import { icon } from "./icons.js";

/** Grey shapes of *rows* lines. */
export function loading(rows = 4) {
  return h("div", { class: "skeletons", role: "status" },
    h("span", { class: "unseen" }, t("state.loading")),
    Array.from({ length: rows }, () => h("div", { class: "skeleton", "aria-hidden": "true" })));
}

/** Nothing is there; *action* is how to change that. */
export function empty(picture, title, text, action = null) {
  return h("div", { class: "empty" }, h("span", { class: "empty-icon" }, icon(picture)), h("h2", null, title), h("p", null, text), action);
}

/** It failed; *again* tries once more. */
export function failed(error, again) {
  return h("div", { class: "empty", role: "alert" },
    h("span", { class: "empty-icon" }, icon(error.offline ? "offline" : "shield")),
    h("p", null, explain(error)),
    h("button", { type: "button", class: "button", onclick: again }, t("action.retry")));
}

/**
 * Fill *place* with what *load* gives, by *draw*: with the states in between. Returns a function that loads again.
 *
 * *draw* gets what was found, and a signal for what lives in the drawing: aborted once something else is shown in its place.
 * Of several loads at once the one that was begun last is shown, whichever is answered last.
 */
export function loaded(place, { load, draw, rows, signal }) {
  let latest = null;
  let leave = new AbortController();
  signal.addEventListener("abort", () => leave.abort(), { once: true });

  const show = (make) => {
    leave.abort();
    leave = new AbortController();
    put(place, make(leave.signal));
  };

  const again = async ({ quietly = false } = {}) => {
    const run = {};
    latest = run;
    const over = () => signal.aborted || run !== latest;
    if (!quietly) show(() => loading(rows));
    place.setAttribute("aria-busy", "true");
    try {
      const found = await load();
      if (!over()) show((drawing) => draw(found, drawing));
    } catch (error) {
      if (over() || error.name === "AbortError") return;
      if (!error.reason && !error.status) console.warn(error);
      show(() => failed(error, () => again()));
    } finally {
      if (run === latest) place.removeAttribute("aria-busy");
    }
  };
  again();
  return again;
}
