// Where the link in a mail leads that confirms an address. The token stands behind the #, which no server sees.

import { anonymous } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { t } from "../lib/words.js";
import { icon } from "../parts/icons.js";
import { loaded } from "../parts/states.js";
import { mailToken, tokenUsed } from "../parts/mail-token.js";

export function show({ signal }) {
  const card = h("div", { class: "card way-in" });
  const token = mailToken();
  loaded(card, {
    load: () => anonymous("/v1/auth/email:verify", { token }),
    draw: () => {
      tokenUsed();
      const done = h("p", { role: "status" }, t("verify.done"));
      return h("div", { class: "empty" }, h("span", { class: "empty-icon good" }, icon("check")), done, h("a", { class: "button primary", href: "/" }, t("verify.go")));
    },
    rows: 2,
    signal,
  });
  const element = h("div", { class: "single" }, h("h1", null, t("verify.title")), card);
  return { title: t("verify.title"), element };
}
