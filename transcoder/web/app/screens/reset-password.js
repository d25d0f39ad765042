// Where the link in a mail leads that lets somebody choose another password.

import { anonymous } from "../lib/api.js";
import { h, put } from "../lib/dom.js";
import { t } from "../lib/words.js";
import { field, form } from "../parts/form.js";
import { icon } from "../parts/icons.js";
import { mailToken, tokenUsed } from "../parts/mail-token.js";

export function show() {
  const token = mailToken();
  const card = h("div", { class: "card way-in" });
  put(card, form([field("newPassword", t("field.newPassword"), { type: "password", required: true, autocomplete: "new-password", hint: t("hint.password") })], {
    verb: t("reset.verb"),
    send: async ({ newPassword }) => {
      await anonymous("/v1/auth/password-reset:confirm", { token, newPassword });
      tokenUsed();
      const done = h("p", { tabindex: "-1", role: "status" }, t("reset.done"));
      put(card, h("div", { class: "empty" }, h("span", { class: "empty-icon good" }, icon("check")), done, h("a", { class: "button primary", href: "/" }, t("welcome.signIn"))));
      done.focus();
    },
  }));
  return { title: t("reset.title"), element: h("div", { class: "single" }, h("h1", null, t("reset.title")), card) };
}
