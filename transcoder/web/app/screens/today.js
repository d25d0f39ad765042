// Today: how far one is, and where one stands among friends, live.

import { get } from "../lib/api.js";
import { h, put } from "../lib/dom.js";
import { follow } from "../lib/follow.js";
import { Standings } from "../lib/standings.js";
import { civil, hour, series, t } from "../lib/words.js";
import { boardList } from "../parts/board.js";
import { chart } from "../parts/chart.js";
import { icon } from "../parts/icons.js";
import { liveMark } from "../parts/live-mark.js";
import { announce, complain } from "../parts/notices.js";
import { openPerson } from "../parts/person.js";
import { ring } from "../parts/ring.js";
import { empty, failed, loading } from "../parts/states.js";
import { acceptInvite } from "./invite.js";
import { openWalk } from "./walk.js";

const HOURS_EVERY_MS = 4000; // how often the hours are read again while steps come in

export function show({ signal }) {
  const standings = new Standings();
  const mark = liveMark();
  const progress = ring();
  const said = h("p", { class: "standing" });
  const hours = h("div", { class: "hours" });
  const byHour = chart({ name: t("today.byHour"), unit: t("chart.hour"), signal, height: 150 });
  const place = h("div", { class: "board-place" }, loading(5));
  const list = boardList({ label: t("board.label"), onOpen: (entry) => openPerson(entry, { signal }) });
  const date = h("p", { class: "subtitle" });
  let goal = 0;

  const refreshHours = seldom(() => drawHours(hours, byHour, standings.date, signal), HOURS_EVERY_MS, signal);

  function redraw() {
    const { mine, rows } = standings;
    date.textContent = civil(standings.date, { weekday: "long", day: "numeric", month: "long" });
    progress.show(mine?.steps ?? 0, goal);
    said.textContent = sentence(mine, rows);
    if (!place.contains(list.element)) put(place, list.element);
    const happened = list.show(rows);
    if (happened) announce(happened.passedBy.length > 0 ? t("board.passed", { names: series(happened.passedBy), rank: happened.to }) : t("board.nowRank", { rank: happened.to }));
    if (rows.length === 1 && !place.querySelector(".empty")) put(place, list.element, alone());
    else if (rows.length > 1) place.querySelector(".empty")?.remove();
  }

  async function readGoal() {
    try {
      goal = (await get("/v1/goals/me", undefined, signal)).goal.currentDailySteps;
      if (standings.date) redraw();
      if (standings.date) refreshHours();
    } catch (error) {
      complain(error);
    }
  }

  follow({
    path: "/v1/leaderboards/friends:watch",
    query: () => (standings.version ? { resumeVersion: standings.version } : {}),
    signal,
    onState: mark.show,
    onFailure: (failure) => put(place, failed(failure, () => location.reload())),
    onMessage(update) {
      const { date: day, mine } = standings;
      if (!standings.apply(update)) return;
      redraw();
      if (standings.mine?.steps !== mine?.steps) refreshHours();
      if (day && standings.date !== day) readGoal(); // each date has its own
    },
  });
  readGoal();
  acceptInvite(signal);

  const walk = h("button", { type: "button", class: "button primary", onclick: () => openWalk({ signal }) }, icon("plus"), t("walk.open"));
  const element = h("div", { class: "today" },
    h("div", { class: "screen-head" }, h("div", null, h("h1", null, t("today.title")), date), mark.element),
    h("section", { class: "card mine", "aria-label": t("today.mine") }, progress.element, h("div", { class: "mine-text" }, said, walk)),
    h("section", { class: "card ranking", "aria-labelledby": "ranking" }, h("h2", { id: "ranking" }, t("board.title")), place),
    h("section", { class: "card by-hour", "aria-labelledby": "by-hour" }, h("h2", { id: "by-hour" }, t("today.byHour")), hours));
  return { title: t("today.title"), element };
}

function alone() {
  return empty("friends", t("board.aloneTitle"), t("board.alone"), h("a", { class: "button", href: "#/friends" }, t("board.find")));
}

/** Where one stands, and how far the next one is ahead. */
function sentence(mine, rows) {
  if (mine?.state === "UNDER_REVIEW") return t("today.underReview");
  if (!mine?.rank) return t("today.start");
  const ranked = rows.filter((entry) => entry.rank).length;
  if (ranked === 1) return t("today.only");
  if (mine.rank === 1) return t("today.first");
  const ahead = rows.filter((entry) => entry.rank && entry.rank < mine.rank).pop();
  return ahead.steps > mine.steps ? t("today.behind", { name: ahead.nickname, steps: ahead.steps - mine.steps + 1, rank: mine.rank }) : t("board.nowRank", { rank: mine.rank });
}

async function drawHours(place, byHour, date, signal) {
  try {
    const { days: [day] } = await get("/v1/steps/days", { startDate: date, endDate: date }, signal);
    if (!day?.hourly.some(Boolean)) return put(place, h("p", { class: "nothing" }, t(day?.total ? "today.wholeDay" : "today.noHours")));
    if (!place.contains(byHour.element)) put(place, byHour.element);
    return byHour.show(bars(day));
  } catch (error) {
    return place.hasChildNodes() ? null : complain(error);
  }
}

function bars(day) {
  const last = day.hourly.findLastIndex((steps) => steps > 0);
  return day.hourly.map((steps, index) => ({
    label: index % 6 === 0 ? hour(index) : "", long: hour(index), value: index <= last ? steps : null, goal: 0, reached: false,
  }));
}

/** Call *work* now, or as soon as it was not called for a while. */
function seldom(work, every, signal) {
  let timer = 0;
  let last = -every;
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  return () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      last = performance.now();
      work();
    }, Math.max(0, last + every - performance.now()));
  };
}
