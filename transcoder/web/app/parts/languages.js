// Korean or English, for who is not signed in: each in its own words.

import { h } from "../lib/dom.js";
import { chooseLocale, currentLocale, LOCALES, t } from "../lib/words.js";

export const NAMES = { en: "English", ko: "한국어" };

/** Buttons for the languages; *redraw* shows the screen in the other one. */
export function languages(redraw) {
  return h("div", { class: "languages", role: "group", "aria-label": t("settings.language") }, LOCALES.map((locale) => h("button", {
    type: "button", class: "link", lang: locale, "aria-pressed": String(locale === currentLocale()),
    onclick: async () => {
      await chooseLocale(locale);
      await redraw();
    },
  }, NAMES[locale])));
}
