// A link to give to others: shown, copied, or shared by what the device has for that.

import { freshId, h } from "../lib/dom.js";
import { t } from "../lib/words.js";
import { icon } from "./icons.js";
import { toast } from "./notices.js";

/** *text* (a link or a code) under *label*. */
export function sharedLink(text, label) {
  const id = freshId("shared");
  const input = h("input", { id, class: "input", readonly: true, value: text, onfocus: () => input.select() });
  const copy = h("button", { type: "button", class: "button", onclick: async () => {
    input.select();
    try {
      await navigator.clipboard.writeText(text);
      toast(t("action.copied"), "good");
    } catch {
      input.focus(); // selected, for the person to copy
    }
  } }, icon("copy"), t("action.copy"));
  return h("div", { class: "field" }, h("label", { for: id }, label), h("div", { class: "copyable" }, input, copy));
}
