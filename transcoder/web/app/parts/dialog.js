// Dialogs: the browser's own, which keep focus inside and give it back. Shown as a sheet on phones.

import { freshId, h } from "../lib/dom.js";
import { t } from "../lib/words.js";
import { icon } from "./icons.js";
import { handOver, toastBox } from "./notices.js";

/** Show *content* under *title*; returns the dialog, which is gone once it is closed. */
export function openDialog(title, content, { signal } = {}) {
  const name = freshId("dialog");
  const close = h("button", { type: "button", class: "icon-button", "aria-label": t("action.close"), onclick: () => dialog.close() }, icon("close"));
  const toasts = toastBox();
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": name },
    h("header", { class: "dialog-head" }, h("h2", { id: name }, title), close),
    h("div", { class: "dialog-body" }, content),
    toasts);
  const leave = () => dialog.close();
  signal?.addEventListener("abort", leave, { once: true });
  dialog.addEventListener("close", () => {
    signal?.removeEventListener("abort", leave);
    handOver(toasts);
    dialog.remove();
  }, { once: true });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside it
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Ask before something that cannot be undone: true if the person wants it. */
export function confirmed(title, text, verb) {
  return new Promise((resolve) => {
    let answer = false;
    const yes = h("button", { type: "button", class: "button danger", onclick: () => {
      answer = true;
      dialog.close();
    } }, verb);
    const no = h("button", { type: "button", class: "button quiet", onclick: () => dialog.close() }, t("action.cancel"));
    const dialog = openDialog(title, [h("p", null, text), h("div", { class: "actions" }, no, yes)]);
    dialog.addEventListener("close", () => resolve(answer), { once: true });
    no.focus();
  });
}
