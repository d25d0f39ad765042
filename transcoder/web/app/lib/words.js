// Words, numbers and dates in the language of the person. The words stand in words/<locale>.json, the same keys in each.

import { keep, recall } from "./kept.js";

export const LOCALES = ["en", "ko"];

let locale = "en";
let words = {};
let plurals = new Intl.PluralRules(locale);

/** The language chosen, else the first of the browser's that there are words for. */
export function preferredLocale() {
  const wanted = [recall("locale"), ...navigator.languages.map((tag) => tag.slice(0, 2))];
  return wanted.find((tag) => LOCALES.includes(tag)) ?? "en";
}

export function currentLocale() {
  return locale;
}

/** Speak *wanted* from now on; what is on the screen has to be drawn again. */
export async function speak(wanted) {
  const answer = await fetch(`/web/app/words/${wanted}.json`);
  if (!answer.ok) throw new Error(`no words for ${wanted}`);
  words = await answer.json();
  locale = wanted;
  plurals = new Intl.PluralRules(locale);
  document.documentElement.lang = locale;
}

/** Speak *wanted* on later visits too. */
export async function chooseLocale(wanted) {
  await speak(wanted);
  keep("locale", wanted);
}

export function hasWord(key) {
  return key in words;
}

/** The words for *key* with {names} filled in. Where there is `key.one`, *values.count* decides. */
export function t(key, values = {}) {
  const numbered = "count" in values ? `${key}.${plurals.select(values.count)}` : key;
  const text = words[numbered] ?? words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === "number" ? count(values[name]) : values[name] ?? ""));
}

/** 12,345 */
export function count(number) {
  return new Intl.NumberFormat(locale).format(number);
}

/** 12.3K, for axes. */
export function short(number) {
  return new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 }).format(number);
}

/** A civil date, `YYYY-MM-DD`, in the parts that *options* name. It belongs to no time zone. */
export function civil(date, options) {
  return new Intl.DateTimeFormat(locale, { ...options, timeZone: "UTC" }).format(new Date(`${date}T00:00:00Z`));
}

/** An hour of the day as a clock shows it. */
export function hour(number) {
  const at = new Date(Date.UTC(2020, 0, 1, number));
  return new Intl.DateTimeFormat(locale, { hour: "numeric", timeZone: "UTC" }).format(at);
}

/** An instant, as a person would say it: "3 minutes ago", or the date where that is clearer. */
export function ago(instant) {
  const seconds = (new Date(instant) - Date.now()) / 1000;
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  if (seconds > -60) return relative.format(0, "second");
  if (seconds > -3600) return relative.format(Math.round(seconds / 60), "minute");
  if (seconds > -86_400) return relative.format(Math.round(seconds / 3600), "hour");
  if (seconds > -7 * 86_400) return relative.format(Math.round(seconds / 86_400), "day");
  return moment(instant);
}

/** The date of an instant, here. */
export function moment(instant) {
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium" }).format(new Date(instant));
}

/** "Ann, Ben and Cho" */
export function series(names) {
  return new Intl.ListFormat(locale).format(names);
}
