// How much of the day's goal is walked.

import { h, s } from "../lib/dom.js";
import { count, t } from "../lib/words.js";

const RADIUS = 52;
const ROUND = 2 * Math.PI * RADIUS;

/** A ring with the steps in it; `show(steps, goal)` brings it up to date. */
export function ring() {
  const arc = s("circle", { class: "ring-arc", cx: 60, cy: 60, r: RADIUS, "stroke-dasharray": ROUND, "stroke-dashoffset": ROUND });
  const number = h("strong", { class: "ring-number" });
  const below = h("span", { class: "ring-below" });
  const element = h("div", { class: "ring" },
    s("svg", { viewBox: "0 0 120 120", "aria-hidden": "true" }, s("circle", { class: "ring-track", cx: 60, cy: 60, r: RADIUS }), arc),
    h("div", { class: "ring-text" }, number, below));
  return {
    element,
    show(steps, goal) {
      number.textContent = count(steps);
      below.textContent = goal ? t("ring.of", { goal }) : t("ring.steps");
      const share = goal ? Math.min(1, steps / goal) : 0;
      arc.setAttribute("stroke-dashoffset", ROUND * (1 - share));
      arc.classList.toggle("empty-arc", share === 0);
      element.classList.toggle("reached", Boolean(goal) && steps >= goal);
    },
  };
}
