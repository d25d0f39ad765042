// Where each kind of news goes, and when it must be quiet.

import { get, patch } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { t } from "../lib/words.js";
import { choice, field, form } from "../parts/form.js";
import { toast } from "../parts/notices.js";
import { loaded } from "../parts/states.js";
import { section } from "./section.js";

export function news(signal) {
  const place = h("div", { class: "sections" });
  loaded(place, {
    load: async () => (await get("/v1/notifications/preferences", undefined, signal)).preferences,
    draw: (preferences) => [quiet(preferences.quietHours), channels(preferences.channels)],
    signal,
  });
  return place;
}

function quiet({ start, end }) {
  return section(t("quiet.title"), t("quiet.text"), form(h("div", { class: "pair" },
    field("start", t("quiet.start"), { type: "time", required: true, value: start }),
    field("end", t("quiet.end"), { type: "time", required: true, value: end })), {
    verb: t("action.save"),
    send: (quietHours) => save({ quietHours }, ["quietHours.start", "quietHours.end"]),
  }));
}

function channels(chosen) {
  const names = Object.keys(chosen);
  return section(t("channels.title"), t("channels.text"), form(h("div", { class: "channels" }, names.map((name) => {
    const offered = name === "security" ? ["PUSH", "INBOX"] : ["PUSH", "INBOX", "OFF"];
    return choice(name, t(`news.${name}`), offered.map((each) => [each, t(`channel.${each}`)]), { value: chosen[name] });
  })), {
    verb: t("action.save"),
    send: (fields) => save({ channels: fields }, names.map((name) => `channels.${name}`)),
  }));
}

async function save(preferences, mask) {
  await patch("/v1/notifications/preferences", preferences, mask);
  toast(t("settings.saved"), "good");
}
