// Weeks, months and years as bars. Pure.

import { civil } from "../lib/words.js";

/** The bars of *stats*: days, of a year the average day of each month. */
export function barsOf(stats) {
  if (stats.period === "YEAR") return months(stats.series);
  return stats.series.map((point) => ({
    label: stats.period === "WEEK" ? civil(point.date, { weekday: "short" }) : monthLabel(point.date),
    long: civil(point.date, { weekday: "short", day: "numeric", month: "short" }),
    value: point.hasData ? point.value : null,
    goal: point.goal,
    reached: point.goalReached,
  }));
}

/** A date in the period that is *by* before or after the one that begins on *start*. */
export function neighbour(period, start, by) {
  const date = new Date(`${start}T00:00:00Z`);
  if (period === "WEEK") date.setUTCDate(date.getUTCDate() + 7 * by);
  else if (period === "MONTH") date.setUTCMonth(date.getUTCMonth() + by);
  else date.setUTCFullYear(date.getUTCFullYear() + by);
  return date.toISOString().slice(0, 10);
}

function monthLabel(date) {
  const day = Number(date.slice(8));
  return day === 1 || day % 7 === 1 ? String(day) : "";
}

/** The month's name under its bar; where names are longer than a letter there is room for every second one. */
function narrow(month) {
  const name = civil(`${month}-01`, { month: "narrow" });
  return name.length > 1 && Number(month.slice(5)) % 2 === 0 ? "" : name;
}

function months(series) {
  const found = new Map();
  for (const point of series) {
    const name = point.date.slice(0, 7);
    found.set(name, [...(found.get(name) ?? []), point]);
  }
  return [...found].map(([name, points]) => {
    const walked = points.filter((point) => point.hasData);
    const value = walked.length > 0 ? mean(walked.map((point) => point.value)) : null;
    const goals = points.map((point) => point.goal).filter(Boolean);
    const goal = goals.length > 0 ? mean(goals) : 0;
    return {
      label: narrow(name), long: civil(`${name}-01`, { year: "numeric", month: "long" }), value, goal, reached: value !== null && goal > 0 && value >= goal,
    };
  });
}

function mean(numbers) {
  return Math.floor(numbers.reduce((sum, each) => sum + each, 0) / numbers.length);
}
