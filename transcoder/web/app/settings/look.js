// Language and colours.

import { patch } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { keep, recall } from "../lib/kept.js";
import { chooseLocale, currentLocale, LOCALES, t } from "../lib/words.js";
import { NAMES } from "../parts/languages.js";
import { complain } from "../parts/notices.js";
import { section } from "./section.js";

const THEMES = ["auto", "light", "dark"];

export function look(redraw) {
  return h("div", { class: "sections" },
    section(t("settings.language"), t("settings.languageText"), segments("locale", LOCALES.map((each) => [each, NAMES[each]]), currentLocale(), async (locale) => {
      await chooseLocale(locale);
      await redraw();
      patch("/v1/notifications/preferences", { locale }, ["locale"]).catch(complain);
    }, t("settings.language"))),
    section(t("settings.theme"), t("settings.themeText"), segments("theme", THEMES.map((each) => [each, t(`theme.${each}`)]), recall("theme") ?? "auto", chooseTheme, t("settings.theme"))));
}

/** Put *theme* on, now and on later visits. */
function chooseTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  keep("theme", theme === "auto" ? null : theme);
  document.dispatchEvent(new Event("themechange"));
}

function segments(name, options, chosen, choose, label) {
  return h("fieldset", { class: "segments" }, h("legend", { class: "unseen" }, label), options.map(([value, text]) => h("span", { class: "segment" },
    h("input", { type: "radio", name, id: `${name}-${value}`, value, checked: value === chosen, onchange: () => choose(value) }),
    h("label", { for: `${name}-${value}`, lang: name === "locale" ? value : null }, text))));
}
