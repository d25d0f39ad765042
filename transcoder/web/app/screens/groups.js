// Groups: those that one belongs to, a new one, or one that somebody gave a code for.

import { all, once, post } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { whenNews } from "../lib/news.js";
import { go } from "../lib/router.js";
import { t } from "../lib/words.js";
import { openDialog } from "../parts/dialog.js";
import { choice, field, form } from "../parts/form.js";
import { icon } from "../parts/icons.js";
import { toast } from "../parts/notices.js";
import { empty, loaded } from "../parts/states.js";

export function show({ signal }) {
  const place = h("div", { class: "group-list" });
  const again = loaded(place, {
    load: () => all("/v1/groups", "groups", {}, signal),
    draw: (groups) => groups.length === 0 ? h("div", { class: "card" }, empty("groups", t("groups.noneTitle"), t("groups.none"))) : h("ul", { class: "tiles" }, groups.map(tile)),
    rows: 3,
    signal,
  });
  whenNews(["GROUP_JOINED"], () => again({ quietly: true }), signal);
  const buttons = h("div", { class: "actions" },
    h("button", { type: "button", class: "button", onclick: () => openJoin(signal) }, t("groups.join")),
    h("button", { type: "button", class: "button primary", onclick: () => openCreate(signal) }, icon("plus"), t("groups.create")));
  return { title: t("nav.groups"), element: h("div", { class: "narrow" }, h("div", { class: "screen-head" }, h("h1", null, t("nav.groups")), buttons), place) };
}

function tile(group) {
  return h("li", null, h("a", { class: "card tile", href: `#/groups/${group.groupId}` },
    h("span", { class: "tile-icon" }, icon("groups")),
    h("span", { class: "line-words" }, h("span", { class: "line-name" }, group.name), group.description ? h("span", { class: "line-text" }, group.description) : null,
      h("span", { class: "line-note" }, t("groups.members", { count: group.memberCount }), " · ", t(`role.${group.role}`)))));
}

function openCreate(signal) {
  const dialog = openDialog(t("groups.create"), form([
    field("name", t("groups.name"), { required: true, maxlength: 40 }),
    field("description", t("groups.description"), { maxlength: 500 }),
    choice("joinPolicy", t("groups.policy"), ["CODE", "OPEN", "REQUEST"].map((each) => [each, t(`policy.${each}`)]), { value: "CODE" }),
  ], {
    verb: t("groups.createVerb"),
    send: async (fields) => {
      const { group } = await once("/v1/groups", fields);
      dialog.close();
      go(`/groups/${group.groupId}`);
    },
  }), { signal });
}

function openJoin(signal) {
  const dialog = openDialog(t("groups.join"), form([field("code", t("groups.code"), { required: true, maxlength: 64, autocomplete: "off", autocapitalize: "none", hint: t("groups.codeHint") })], {
    verb: t("groups.joinVerb"),
    send: async ({ code }) => {
      const { group, state } = await post("/v1/groups:join", { code: codeIn(code) });
      dialog.close();
      if (state === "JOINED") go(`/groups/${group.groupId}`);
      else toast(t("groups.asked", { name: group.name }), "good");
    },
  }), { signal });
}

/** People paste whole links. */
function codeIn(text) {
  try {
    return new URL(text.trim()).searchParams.get("invite") ?? text.trim();
  } catch {
    return text.trim();
  }
}
