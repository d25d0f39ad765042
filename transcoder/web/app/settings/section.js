// One section of the settings.

import { freshId, h } from "../lib/dom.js";

/** *content* under *title*, with a line on what it is for. */
export function section(title, text, ...content) {
  const id = freshId("section");
  return h("section", { class: "card section", "aria-labelledby": id }, h("h2", { id }, title), text ? h("p", { class: "lead-in" }, text) : null, content);
}
