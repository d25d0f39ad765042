// History: weeks, months and years in bars, with the goal as a line, and what they come to.

import { get } from "../lib/api.js";
import { h, put } from "../lib/dom.js";
import { civil, count, t } from "../lib/words.js";
import { chart } from "../parts/chart.js";
import { icon } from "../parts/icons.js";
import { empty, loaded } from "../parts/states.js";
import { tabs } from "../parts/tabs.js";
import { barsOf, neighbour } from "./periods.js";

export function show({ signal }) {
  const views = ["WEEK", "MONTH", "YEAR"].map((period) => ({ id: period, label: t(`period.${period}`), draw: (leave) => periodView(period, leave) }));
  return {
    title: t("nav.history"),
    element: h("div", { class: "narrow" }, h("div", { class: "screen-head" }, h("h1", null, t("nav.history"))), tabs(views, { label: t("history.periods"), signal })),
  };
}

function periodView(period, signal) {
  const place = h("div", { class: "period" });
  const title = h("h2", { class: "period-title", "aria-live": "polite" });
  const step = (by, name, label) => h("button", { type: "button", class: "icon-button", "aria-label": label, disabled: true, onclick: () => move(by) }, h("span", { class: name }, icon("back")));
  const earlier = step(-1, "earlier", t("history.earlier"));
  const later = step(1, "later", t("history.later"));
  let stats = null;
  let today = "";
  let date = "";

  function move(by) {
    date = neighbour(period, stats.startDate, by);
    again({ quietly: true });
  }

  const again = loaded(place, {
    load: async () => (await get("/v1/stats/me", { period, ...(date ? { date } : {}) }, signal)).stats,
    draw: (found) => {
      stats = found;
      today ||= found.startDate;
      put(title, nameOf(found));
      earlier.disabled = found.startDate <= "2000-01-31";
      later.disabled = found.startDate >= today;
      return found.daysWithData === 0 ? empty("history", t("history.noneTitle"), t("history.none")) : drawn(found, signal);
    },
    signal,
  });
  return [h("div", { class: "period-head" }, earlier, title, later), place];
}

function nameOf(stats) {
  if (stats.period === "YEAR") return civil(stats.startDate, { year: "numeric" });
  if (stats.period === "MONTH") return civil(stats.startDate, { year: "numeric", month: "long" });
  return t("history.span", { start: civil(stats.startDate, { day: "numeric", month: "short" }), end: civil(stats.endDate, { day: "numeric", month: "short" }) });
}

function drawn(stats, signal) {
  const unit = stats.period === "YEAR" ? t("chart.month") : t("chart.day");
  const bars = chart({ name: t("history.chartOf", { period: nameOf(stats) }), unit, signal, height: 210 });
  bars.show(barsOf(stats));
  return [
    h("section", { class: "card", "aria-label": t("history.chart") }, h("p", { class: "figure-head" }, h("strong", null, count(stats.average)), h("span", null, t("history.average")), change(stats.previous)), bars.element),
    h("dl", { class: "figures" },
      figure(t("history.total"), count(stats.total)),
      figure(t("history.best"), stats.bestDay ? count(stats.bestDay.steps) : "–", stats.bestDay ? civil(stats.bestDay.date, { day: "numeric", month: "short" }) : ""),
      figure(t("history.streak"), t("days", { count: stats.streaks.current }), t("history.longest", { days: t("days", { count: stats.streaks.longest }) })),
      figure(t("history.median"), stats.friends.count > 0 ? count(stats.friends.median) : "–", stats.friends.count > 0 ? t("history.ofFriends", { count: stats.friends.count }) : t("history.noFriends"))),
  ];
}

function figure(name, value, note = "") {
  return h("div", { class: "card figure" }, h("dt", null, name), h("dd", null, h("strong", null, value), note ? h("span", null, note) : null));
}

function change(previous) {
  if (previous.changePercent === undefined || previous.changePercent === null) return null;
  const by = previous.changePercent;
  return h("span", { class: by >= 0 ? "change rose" : "change fell" }, icon(by >= 0 ? "up" : "down"), t("history.change", { percent: Math.abs(by) }));
}
