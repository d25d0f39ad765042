// Where one is signed in, and the password.

import { get, post, remove } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { end, signOut } from "../lib/session.js";
import { ago, moment, t } from "../lib/words.js";
import { confirmed } from "../parts/dialog.js";
import { field, form } from "../parts/form.js";
import { toast } from "../parts/notices.js";
import { lineButton } from "../parts/people.js";
import { loaded } from "../parts/states.js";
import { section } from "./section.js";

export function sessions(signal) {
  const place = h("div", { class: "session-list" });
  const again = loaded(place, {
    load: async () => (await get("/v1/auth/sessions", undefined, signal)).sessions,
    draw: (found) => h("ul", { class: "lines" }, found.map((each) => line(each, () => again({ quietly: true })))),
    rows: 2,
    signal,
  });
  const everywhere = lineButton(t("sessions.everywhere"), async () => {
    if (!await confirmed(t("sessions.everywhere"), t("sessions.everywhereText"), t("sessions.everywhere"))) return;
    await post("/v1/auth/logout-everywhere");
    end();
  }, { kind: "danger" });
  return h("div", { class: "sections" },
    section(t("sessions.title"), t("sessions.text"), place, h("div", { class: "actions" }, everywhere, lineButton(t("sessions.signOut"), signOut))),
    password());
}

function line(session, reload) {
  const action = session.current ? h("span", { class: "line-note" }, t("sessions.this")) : lineButton(t("sessions.end"), async () => {
    await remove(`/v1/auth/sessions/${session.sessionId}`);
    await reload();
  }, { kind: "quiet", label: t("sessions.endWhich", { device: session.deviceName || t("sessions.unknown") }) });
  return h("li", { class: "line" },
    h("div", { class: "line-body" }, h("span", { class: "line-words" }, h("span", { class: "line-name" }, session.deviceName || t("sessions.unknown")),
      h("span", { class: "line-note" }, t("sessions.since", { date: moment(session.createTime), used: ago(session.lastUsedTime) })))),
    h("span", { class: "line-actions" }, action));
}

function password() {
  return section(t("password.title"), t("password.text"), form([
    field("currentPassword", t("password.current"), { type: "password", required: true, autocomplete: "current-password" }),
    field("newPassword", t("field.newPassword"), { type: "password", required: true, autocomplete: "new-password", hint: t("hint.password") }),
  ], {
    verb: t("password.change"),
    clear: true,
    send: async (fields) => {
      await post("/v1/auth/password", fields);
      toast(t("password.changed"), "good");
    },
  }));
}
