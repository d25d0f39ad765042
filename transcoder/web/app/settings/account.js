// The address, a copy of everything, and the end of the account.

import { get, post, raw } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { Failure } from "../lib/failure.js";
import { end } from "../lib/session.js";
import { shared } from "../lib/store.js";
import { t } from "../lib/words.js";
import { confirmed } from "../parts/dialog.js";
import { field, form } from "../parts/form.js";
import { toast } from "../parts/notices.js";
import { lineButton } from "../parts/people.js";
import { loaded } from "../parts/states.js";
import { section } from "./section.js";

export function account(signal) {
  const place = h("div", null);
  loaded(place, {
    load: async () => {
      const { user } = await get("/v1/users/me", undefined, signal); // the address may have been confirmed in another tab
      shared.set({ user });
      return user;
    },
    draw: email,
    rows: 1,
    signal,
  });
  return h("div", { class: "sections" }, place, copy(), deletion());
}

function email(user) {
  const resend = user.emailVerified ? null : h("div", { class: "actions start" }, lineButton(t("email.resend"), async () => {
    await post("/v1/auth/email:resend");
    toast(t("email.sent"), "good");
  }));
  return section(t("email.title"), "", h("p", { class: "address" }, h("strong", null, user.email), " ", h("span", { class: user.emailVerified ? "tag good" : "tag" }, t(user.emailVerified ? "email.verified" : "email.unverified"))), resend,
    h("details", { class: "more" }, h("summary", null, t("email.change")), form([
      field("newEmail", t("email.new"), { type: "email", required: true, autocomplete: "email", maxlength: 254 }),
      field("password", t("field.password"), { type: "password", required: true, autocomplete: "current-password" }),
    ], {
      verb: t("email.change"),
      clear: true,
      send: async (fields) => {
        await post("/v1/auth/email:change", fields);
        toast(t("email.sent"), "good");
      },
    })));
}

function copy() {
  return section(t("export.title"), t("export.text"), h("div", { class: "actions" }, lineButton(t("export.verb"), async () => {
    const url = URL.createObjectURL(new Blob([await everything()], { type: "application/x-ndjson" }));
    h("a", { href: url, download: "firewalker.ndjson" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  })));
}

/** All records, a line each. A stream that breaks off says so in its last line, and is worth nothing: half is not everything. */
async function everything() {
  const answer = await raw("/v1/users/me:export", { headers: { accept: "application/x-ndjson" } });
  const records = await answer.text().catch(() => {
    throw Failure.offline();
  });
  const { error } = JSON.parse(records.trimEnd().split("\n").pop() || "{}");
  if (error) throw Failure.ofStatus(500, error);
  return records;
}

function deletion() {
  return section(t("delete.title"), t("delete.text"), form([field("password", t("field.password"), { type: "password", required: true, autocomplete: "current-password", hint: t("delete.hint") })], {
    verb: t("delete.verb"),
    verbClass: "danger",
    send: async ({ password }) => {
      if (!await confirmed(t("delete.title"), t("delete.sure"), t("delete.verb"))) return;
      await post("/v1/users/me:delete", { password });
      end();
    },
  }));
}
