// An address that leads nowhere.

import { h } from "../lib/dom.js";
import { t } from "../lib/words.js";
import { empty } from "../parts/states.js";

export function show() {
  const back = h("a", { class: "button primary", href: "#/" }, t("lost.back"));
  return { title: t("lost.title"), element: h("div", null, h("h1", { class: "unseen" }, t("lost.title")), empty("search", t("lost.title"), t("lost.text"), back)) };
}
