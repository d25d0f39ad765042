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

/** Fill *place* with what *load* gives, by *draw*: with the states in between. Returns a function that loads again. */
export function loaded(place, { load, draw, rows, signal }) {
  const again = async ({ quietly = false } = {}) => {
    if (!quietly) put(place, loading(rows));
    place.setAttribute("aria-busy", "true");
    try {
      const found = await load();
      if (!signal.aborted) put(place, draw(found));
    } catch (error) {
      if (signal.aborted || error.name === "AbortError") return;
      if (!error.reason && !error.status) console.warn(error);
      put(place, failed(error, () => again()));
    } finally {
      place.removeAttribute("aria-busy");
    }
  };
  again();
  return again;
}
