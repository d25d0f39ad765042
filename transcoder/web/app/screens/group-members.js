// The members of a group, and who waits to become one.

import { all, post, remove } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { whenNews } from "../lib/news.js";
import { shared } from "../lib/store.js";
import { ago, moment, t } from "../lib/words.js";
import { confirmed, openDialog } from "../parts/dialog.js";
import { lineButton, personLine } from "../parts/people.js";
import { openPerson } from "../parts/person.js";
import { empty, loaded } from "../parts/states.js";

/** Everybody in there. *reload* is called after what changes the group, the caller's own role in it among that. */
export function membersView(group, signal, reload) {
  const place = h("div", { class: "card list-card" });
  loaded(place, {
    load: () => all(`/v1/groups/${group.groupId}/members`, "members", {}, signal),
    draw: (members) => h("ul", { class: "lines" }, members.map((member) => line(group, member, signal, reload))),
    signal,
  });
  return place;
}

function line(group, member, signal, reload) {
  const me = member.userId === shared.get().user?.userId;
  const manages = !me && (group.role === "OWNER" || (group.role === "ADMIN" && member.role === "MEMBER"));
  return personLine(member, {
    note: t("groups.memberSince", { role: t(`role.${member.role}`), date: moment(member.joinTime) }),
    actions: manages ? [lineButton(t("groups.manage"), async () => openManage(group, member, signal, reload), { kind: "quiet", label: t("groups.manageWho", { name: member.nickname }) })] : [],
    onOpen: me ? null : () => openPerson(member, { signal }),
  });
}

function openManage(group, member, signal, reload) {
  const path = `/v1/groups/${group.groupId}/members/${member.userId}`;
  const does = (text, work, ask = false) => lineButton(text, async () => {
    if (ask && !await confirmed(text, t("groups.sure", { name: member.nickname }), text)) return;
    await work();
    dialog.close();
    reload();
  }, { kind: ask ? "danger" : "" });
  const role = (wanted) => () => post(`${path}:setRole`, { role: wanted });
  const owner = group.role === "OWNER";
  const dialog = openDialog(member.nickname, h("div", { class: "stack" },
    owner && member.role === "MEMBER" ? does(t("groups.makeAdmin"), role("ADMIN")) : null,
    owner && member.role === "ADMIN" ? does(t("groups.makeMember"), role("MEMBER")) : null,
    owner ? does(t("groups.makeOwner"), role("OWNER"), true) : null,
    does(t("groups.remove"), () => remove(path), true),
    does(t("groups.ban"), () => post(`${path}:ban`), true)), { signal });
}

/** Who asks to be let in; *reload* as above. */
export function requestsView(group, signal, reload) {
  const place = h("div", { class: "card list-card" });
  const again = loaded(place, {
    load: () => all(`/v1/groups/${group.groupId}/join-requests`, "joinRequests", {}, signal),
    draw: (people) => people.length === 0 ? empty("groups", t("groups.noRequestsTitle"), t("groups.noRequests")) : h("ul", { class: "lines" }, people.map((person) => {
      const answer = (accept) => async () => {
        await post(`/v1/groups/${group.groupId}/join-requests/${person.userId}:answer`, { accept });
        await reload();
      };
      return personLine(person, {
        note: ago(person.createTime),
        actions: [
          lineButton(t("friends.decline"), answer(false), { kind: "quiet", label: t("friends.declineWho", { name: person.nickname }) }),
          lineButton(t("friends.accept"), answer(true), { kind: "primary", label: t("friends.acceptWho", { name: person.nickname }) }),
        ],
      });
    })),
    rows: 2,
    signal,
  });
  whenNews(["GROUP_JOIN_REQUEST"], () => again({ quietly: true }), signal);
  return place;
}
