// A board as a list of rows, kept up to date in place: rows glide to their new ranks.

import { h, put } from "../lib/dom.js";
import { arrange } from "../lib/flip.js";
import { count, t } from "../lib/words.js";
import { avatar } from "./avatar.js";
import { icon } from "./icons.js";

const MOVED_MS = 8000; // how long a row shows that it moved

/**
 * A list of rows. `show(entries)` brings it up to date and returns what happened: { mine: { from, to }, passedBy: [names] }.
 *
 * *onOpen*, if given, is what happens when somebody asks for more about a row that is not their own.
 */
export function boardList({ onOpen = null, label }) {
  const element = h("ol", { class: "board", "aria-label": label });
  const rows = new Map();

  function show(entries) {
    const before = new Map([...rows].map(([id, row]) => [id, row.entry]));
    const most = Math.max(1, ...entries.map((entry) => entry.steps));
    for (const entry of entries) {
      let row = rows.get(entry.userId);
      if (!row) rows.set(entry.userId, (row = makeRow(entry, onOpen)));
      row.update(entry, most, moved(before.get(entry.userId), entry));
    }
    for (const id of rows.keys()) if (!entries.some((entry) => entry.userId === id)) rows.delete(id);
    arrange(element, entries.map((entry) => rows.get(entry.userId).element));
    return story(before, entries);
  }
  return { element, show };
}

function moved(before, now) {
  return before?.rank && now.rank ? before.rank - now.rank : 0;
}

/** What the caller would want to be told. */
function story(before, entries) {
  const mine = entries.find((entry) => entry.me);
  const was = mine && before.get(mine.userId);
  if (!was?.rank || !mine.rank || was.rank === mine.rank) return null;
  const passedBy = entries.filter((entry) => !entry.me && entry.rank && entry.rank < mine.rank && before.get(entry.userId)?.rank > was.rank);
  return { from: was.rank, to: mine.rank, passedBy: passedBy.map((entry) => entry.nickname) };
}

function makeRow(first, onOpen) {
  const rank = h("span", { class: "rank" });
  const move = h("span", { class: "move", "aria-hidden": "true" });
  const name = h("span", { class: "row-name" });
  const note = h("span", { class: "row-note" });
  const steps = h("span", { class: "row-steps" });
  const bar = h("span", { class: "row-bar", "aria-hidden": "true" });
  const picture = h("span", { class: "row-picture" });
  const body = [rank, picture, h("span", { class: "row-main" }, h("span", { class: "row-title" }, name, move), note, bar), steps];
  const open = first.me || !onOpen ? h("div", { class: "row-body" }, body)
    : h("button", { type: "button", class: "row-body", onclick: () => onOpen(row.entry) }, body);
  const element = h("li", { class: "row", "data-user": first.userId }, open);
  let timer = 0;
  const row = { element, entry: first, update };
  put(picture, avatar(first));

  function update(entry, most, by) {
    row.entry = entry;
    name.textContent = entry.me ? t("board.you", { name: entry.nickname }) : entry.nickname;
    put(rank, entry.rank ? [h("span", { class: "unseen" }, t("board.rank")), String(entry.rank)] : "–");
    element.className = ["row", entry.me ? "me" : "", entry.rank && entry.rank <= 3 ? `top-${entry.rank}` : "", entry.freshness === "LIVE" ? "live" : ""].join(" ");
    // Who shows the rank alone has no steps here, and nobody else is ranked with none but the caller.
    put(steps, entry.state === "RANKED" && (entry.steps > 0 || entry.me) ? count(entry.steps) : "");
    put(note, notes(entry));
    bar.style.setProperty("--share", String(entry.rank ? entry.steps / most : 0));
    if (by === 0) return;
    clearTimeout(timer);
    move.className = by > 0 ? "move rose" : "move fell";
    put(move, icon(by > 0 ? "up" : "down"), String(Math.abs(by)));
    timer = setTimeout(() => {
      move.className = "move";
      put(move);
    }, MOVED_MS);
  }
  return row;
}

function notes(entry) {
  const said = { NO_DATA: t("board.noData"), HIDDEN: t("board.hidden"), UNDER_REVIEW: t("board.underReview") }[entry.state]
    ?? { LIVE: t("board.live"), RECENT: t("board.recent"), STALE: t("board.stale") }[entry.freshness] ?? "";
  return [entry.freshness === "LIVE" && entry.state === "RANKED" ? h("span", { class: "pulse", "aria-hidden": "true" }) : null, h("span", null, said),
    entry.goalReached ? h("span", { class: "goal-flag" }, icon("flag"), t("board.goal")) : null];
}
