// Words that come and go: short messages at the edge of the screen, and sentences for those who listen.

import { h, put } from "../lib/dom.js";
import { explain } from "../lib/failure.js";

const SHOWN_MS = 5000;
const MOST_SHOWN = 3; // a phone has to show what it is about, too

const toasts = toastBox();
const spoken = h("div", { class: "unseen", role: "log", "aria-live": "polite", "aria-relevant": "additions" });

/** Both places; the shell puts them into the page once. */
export const places = [toasts, spoken];

/** A place for messages. Each dialog has its own: what is outside of the topmost one is neither seen nor heard. */
export function toastBox() {
  return h("div", { class: "toasts", role: "status", "aria-live": "polite" });
}

/** Show what is in *box*, whose dialog is gone, on the page for the rest of its time. */
export function handOver(box) {
  toasts.append(...box.childNodes);
}

/** Show *text* for a moment. */
export function toast(text, kind = "") {
  const shown = h("p", { class: `toast ${kind}` }, text);
  const box = [...document.querySelectorAll("dialog[open] > .toasts")].pop() ?? toasts;
  box.append(shown);
  while (box.childElementCount > MOST_SHOWN) box.firstElementChild.remove();
  setTimeout(() => shown.remove(), SHOWN_MS);
}

/** Show why something did not work. A screen that was left in the meantime has nothing to complain about. */
export function complain(error) {
  if (error?.name === "AbortError") return;
  if (!error?.reason && !error?.status) console.warn(error);
  toast(explain(error), "bad");
}

/** Say *text* to those who cannot see what changed. */
export function announce(text) {
  put(spoken, h("p", null, text));
}
