// Whether what is on the screen is live.

import { h, put } from "../lib/dom.js";
import { t } from "../lib/words.js";

/** A mark; `show` takes the states of `follow`. */
export function liveMark() {
  const element = h("p", { class: "live-mark", role: "status" });
  let timer = 0;
  function show(state) {
    clearTimeout(timer);
    // Most interruptions are over before anybody would notice.
    timer = setTimeout(() => {
      element.dataset.state = state;
      put(element, h("span", { class: "dot", "aria-hidden": "true" }), t(`live.${state}`));
    }, state === "connecting" ? 1500 : 0);
  }
  return { element, show };
}
