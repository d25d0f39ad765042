// A few views of one screen, one of them shown: the pattern of tabs, with arrow keys.

import { freshId, h, put } from "../lib/dom.js";

/** *views* are { id, label, draw }; `draw(signal)` makes the content of one. Returns the element. */
export function tabs(views, { label, signal, chosen = views[0].id, onChoose = () => {} }) {
  const panel = h("div", { role: "tabpanel", class: "tab-panel", tabindex: "-1", id: freshId("panel") });
  let leave = new AbortController();
  signal.addEventListener("abort", () => leave.abort(), { once: true });

  const buttons = views.map((view) => h("button", {
    type: "button", role: "tab", class: "tab", id: freshId("tab"), "aria-controls": panel.id, "data-view": view.id,
    onclick: () => choose(view.id),
  }, view.label));
  const list = h("div", { class: "tabs", role: "tablist", "aria-label": label, onkeydown: turn }, buttons);

  function choose(id) {
    leave.abort();
    leave = new AbortController();
    views.forEach((view, index) => {
      const here = view.id === id;
      buttons[index].setAttribute("aria-selected", String(here));
      buttons[index].tabIndex = here ? 0 : -1;
      if (here) {
        panel.setAttribute("aria-labelledby", buttons[index].id);
        put(panel, view.draw(leave.signal));
      }
    });
    onChoose(id);
  }

  function turn(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = buttons.indexOf(document.activeElement);
    const next = (at + step + buttons.length) % buttons.length;
    choose(views[next].id);
    buttons[next].focus();
  }

  choose(chosen);
  return h("div", { class: "tabbed" }, list, panel);
}
