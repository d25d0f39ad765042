// One group: its board, its members, and what its administrators can do.

import { get, once, post, remove } from "../lib/api.js";
import { h, put } from "../lib/dom.js";
import { follow } from "../lib/follow.js";
import { go } from "../lib/router.js";
import { Standings } from "../lib/standings.js";
import { civil, moment, t } from "../lib/words.js";
import { boardList } from "../parts/board.js";
import { confirmed, openDialog } from "../parts/dialog.js";
import { icon } from "../parts/icons.js";
import { liveMark } from "../parts/live-mark.js";
import { toast } from "../parts/notices.js";
import { workButton } from "../parts/people.js";
import { openPerson } from "../parts/person.js";
import { sharedLink } from "../parts/shared-link.js";
import { failed, loaded, loading } from "../parts/states.js";
import { tabs } from "../parts/tabs.js";
import { openEdit } from "./group-edit.js";
import { membersView, requestsView } from "./group-members.js";

export function show({ signal, values: { groupId } }) {
  const place = h("div", null);
  const tab = { chosen: "board" }; // stays when the group is drawn again
  const again = loaded(place, {
    load: async () => (await get(`/v1/groups/${groupId}`, undefined, signal)).group,
    draw: (group, drawing) => drawn(group, { signal, drawing, tab }, () => again({ quietly: true })),
    signal,
  });
  const back = h("a", { class: "back", href: "#/groups" }, icon("back"), t("nav.groups"));
  return { title: t("groups.title"), element: h("div", { class: "narrow" }, back, place) };
}

function drawn(group, { signal, drawing, tab }, reload) {
  const leads = group.role === "OWNER" || group.role === "ADMIN";
  const views = [
    { id: "board", label: t("board.title"), draw: (leave) => periods(group, leave) },
    { id: "members", label: t("groups.memberList"), draw: (leave) => membersView(group, leave, reload) },
    ...(leads ? [{ id: "requests", label: t("groups.requests"), draw: (leave) => requestsView(group, leave, reload) }] : []),
  ];
  return [
    h("div", { class: "screen-head" }, h("div", null, h("h1", null, group.name), h("p", { class: "subtitle" }, t("groups.members", { count: group.memberCount }), " · ", t(`policy.${group.joinPolicy}`))), buttons(group, leads, signal, reload)),
    group.description ? h("p", { class: "description" }, group.description) : null,
    tabs(views, {
      label: group.name, signal: drawing, chosen: views.some((view) => view.id === tab.chosen) ? tab.chosen : "board", onChoose: (id) => {
        tab.chosen = id;
      },
    }),
  ];
}

function buttons(group, leads, signal, reload) {
  const invites = leads || group.joinPolicy === "OPEN";
  return h("div", { class: "actions" },
    leads ? h("button", { type: "button", class: "button", onclick: () => openEdit(group, signal, reload) }, t("groups.edit")) : null,
    group.role === "OWNER" && group.memberCount > 1
      ? workButton({ class: "button" }, t("groups.delete"), () => end(group, "groups.delete", () => remove(`/v1/groups/${group.groupId}`)))
      : workButton({ class: "button" }, t("groups.leave"), () => end(group, "groups.leave", () => post(`/v1/groups/${group.groupId}:leave`))),
    invites ? workButton({ class: "button primary" }, t("groups.invite"), () => openInvite(group, signal)) : null);
}

async function end(group, words, work) {
  if (!await confirmed(t(`${words}Title`, { name: group.name }), t(`${words}Text`), t(words))) return;
  await work();
  toast(t(`${words}Done`, { name: group.name }), "good");
  go("/groups", { replace: true });
}

async function openInvite(group, signal) {
  const { invite } = await once(`/v1/groups/${group.groupId}/invites`, {});
  openDialog(t("groups.invite"), h("div", { class: "invite" }, sharedLink(invite.url, t("invite.link")), sharedLink(invite.code, t("groups.code")), h("p", { class: "hint" }, t("invite.until", { date: moment(invite.expireTime) }))), { signal });
}

function periods(group, signal) {
  return tabs(["DAY", "WEEK", "MONTH"].map((period) => ({ id: period, label: t(`period.${period}`), draw: (leave) => board(group, period, leave) })), { label: t("history.periods"), signal });
}

function board(group, period, signal) {
  const standings = new Standings();
  const mark = liveMark();
  const since = h("p", { class: "subtitle" });
  const place = h("div", { class: "board-place" }, loading(4));
  const list = boardList({ label: t("board.of", { name: group.name }), onOpen: (entry) => openPerson(entry, { signal }) });
  follow({
    path: `/v1/leaderboards/groups/${group.groupId}:watch`,
    query: () => ({ period, ...(standings.version ? { resumeVersion: standings.version } : {}) }),
    signal,
    notYet: ["GROUP_NOT_FOUND"],
    onState: mark.show,
    onFailure: (failure) => put(place, failed(failure, () => location.reload())),
    onMessage(update) {
      if (!standings.apply(update)) return;
      since.textContent = dates(period, standings.date);
      if (!place.contains(list.element)) put(place, list.element);
      list.show(standings.rows);
    },
  });
  return h("div", { class: "card ranking" }, h("div", { class: "board-head" }, since, mark.element), place);
}

function dates(period, date) {
  if (period === "MONTH") return civil(date, { year: "numeric", month: "long" });
  const day = civil(date, { weekday: "long", day: "numeric", month: "long" });
  return period === "DAY" ? day : t("groups.weekFrom", { date: day });
}
