// Settings: a section for each thing that one can decide; each in a module of its own.

import { h } from "../lib/dom.js";
import { t } from "../lib/words.js";
import { tabs } from "../parts/tabs.js";
import { aboutMe } from "../settings/about-me.js";
import { account } from "../settings/account.js";
import { look } from "../settings/look.js";
import { news } from "../settings/news.js";
import { sessions } from "../settings/sessions.js";

let chosen = "me"; // where somebody was before the language changed

export function show({ signal, redraw }) {
  const views = tabs([
    { id: "me", label: t("settings.me"), draw: aboutMe },
    { id: "news", label: t("settings.news"), draw: news },
    { id: "look", label: t("settings.look"), draw: () => look(redraw) },
    { id: "sessions", label: t("settings.security"), draw: sessions },
    { id: "account", label: t("settings.account"), draw: account },
  ], {
    label: t("nav.settings"), signal, chosen, onChoose: (id) => {
      chosen = id;
    },
  });
  return { title: t("nav.settings"), element: h("div", { class: "narrow" }, h("div", { class: "screen-head" }, h("h1", null, t("nav.settings"))), views) };
}
