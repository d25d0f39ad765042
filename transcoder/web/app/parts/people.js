// Lists of people: a picture, a name, a line below it, and what can be done.

import { h } from "../lib/dom.js";
import { avatar } from "./avatar.js";
import { complain } from "./notices.js";

/** One line of a list. */
export function personLine(person, { note = "", actions = [], onOpen = null }) {
  const words = h("span", { class: "line-words" }, h("span", { class: "line-name" }, person.nickname), note ? h("span", { class: "line-note" }, note) : null);
  const body = [avatar(person), words];
  return h("li", { class: "line" },
    onOpen ? h("button", { type: "button", class: "line-body", onclick: onOpen }, body) : h("div", { class: "line-body" }, body),
    actions.length > 0 ? h("span", { class: "line-actions" }, actions) : null);
}

/** A button in a line: does *work* as `workButton` does. */
export function lineButton(text, work, { kind = "", label = null } = {}) {
  return workButton({ class: `button small ${kind}`, "aria-label": label }, text, work);
}

/** A button with *properties* that does *work*, once at a time, and says what went wrong. It keeps the focus. */
export function workButton(properties, content, work) {
  const button = h("button", { type: "button", ...properties, onclick: async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    try {
      await work();
    } catch (error) {
      complain(error);
    } finally {
      button.removeAttribute("aria-disabled");
    }
  } }, content);
  return button;
}
