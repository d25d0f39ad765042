// The way in: sign in, sign up, or ask for a mail that helps who forgot the password.

import { anonymous, patch } from "../lib/api.js";
import { h, put } from "../lib/dom.js";
import { signIn, signUp } from "../lib/session.js";
import { currentLocale, t } from "../lib/words.js";
import { field, form } from "../parts/form.js";
import { icon } from "../parts/icons.js";
import { languages } from "../parts/languages.js";

/** The screen for everybody who is not signed in. */
export function show({ enter, redraw }) {
  const card = h("section", { class: "card way-in", "aria-labelledby": "way-in" });
  const invited = new URLSearchParams(location.search).has("invite");
  const views = { signIn: signInView, signUp: signUpView, forgot: forgotView };

  function turn(name, values = {}) {
    put(card, views[name](values));
    card.querySelector("input")?.focus();
  }

  function heading(text) {
    return h("h2", { id: "way-in" }, text);
  }

  function link(text, name) {
    return h("button", { type: "button", class: "link", onclick: () => turn(name, { email: card.querySelector("[name=email]")?.value }) }, text);
  }

  function signInView({ email = "" }) {
    return [heading(t("welcome.signIn")), form([emailField(email), passwordField("current-password")], {
      verb: t("welcome.signIn"),
      send: async (fields) => {
        await signIn(fields);
        await enter();
      },
    }), h("p", { class: "turn" }, link(t("welcome.forgot"), "forgot")), h("p", { class: "turn" }, t("welcome.new"), " ", link(t("welcome.signUp"), "signUp"))];
  }

  function signUpView({ email = "" }) {
    return [heading(t("welcome.signUp")), form([
      field("nickname", t("field.nickname"), { required: true, autocomplete: "nickname", maxlength: 20, hint: t("hint.nickname") }),
      emailField(email),
      passwordField("new-password", t("hint.password")),
    ], {
      verb: t("welcome.create"),
      send: async (fields) => {
        await signUp({ ...fields, timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone });
        patch("/v1/notifications/preferences", { locale: currentLocale() }, ["locale"]).catch(console.warn); // as the page speaks
        await enter();
      },
    }), h("p", { class: "turn" }, t("welcome.known"), " ", link(t("welcome.signIn"), "signIn"))];
  }

  function forgotView({ email = "" }) {
    return [heading(t("welcome.forgotTitle")), h("p", null, t("welcome.forgotText")), form([emailField(email)], {
      verb: t("welcome.sendMail"),
      send: async (fields) => {
        await anonymous("/v1/auth/password-reset", fields);
        const done = h("p", { tabindex: "-1", role: "status" }, t("welcome.mailSent", { email: fields.email }));
        put(card, heading(t("welcome.forgotTitle")), h("span", { class: "empty-icon" }, icon("mail")), done, h("p", { class: "turn" }, link(t("welcome.back"), "signIn")));
        done.focus();
      },
    }), h("p", { class: "turn" }, link(t("welcome.back"), "signIn"))];
  }

  put(card, views[invited ? "signUp" : "signIn"]({}));
  const element = h("div", { class: "welcome" },
    h("div", { class: "pitch" },
      h("h1", null, t("welcome.title")), h("p", { class: "lead" }, t("welcome.text")),
      h("ul", { class: "points" }, ["live", "goals", "cheers"].map((name) => h("li", null, icon({ live: "trophy", goals: "history", cheers: "HEART" }[name]), t(`welcome.${name}`))))),
    h("div", { class: "way" }, invited ? h("p", { class: "banner", role: "status" }, icon("friends"), t("invite.first")) : null, card, languages(redraw)));
  return { title: t("welcome.signIn"), element };
}

function emailField(value) {
  return field("email", t("field.email"), { type: "email", required: true, autocomplete: "email", maxlength: 254, value });
}

function passwordField(kind, hint = "") {
  return field("password", t("field.password"), { type: "password", required: true, autocomplete: kind, hint });
}
