// Friends: who they are, who asks, and how to find more.

import { all, get, post, remove } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { whenNews } from "../lib/news.js";
import { ago, moment, t } from "../lib/words.js";
import { confirmed } from "../parts/dialog.js";
import { icon } from "../parts/icons.js";
import { toast } from "../parts/notices.js";
import { lineButton, personLine } from "../parts/people.js";
import { askFriendship, openPerson } from "../parts/person.js";
import { empty, loaded } from "../parts/states.js";
import { tabs } from "../parts/tabs.js";
import { inviteView } from "./friend-invite.js";

export function show({ signal }) {
  const views = tabs([
    { id: "all", label: t("friends.all"), draw: friendsView },
    { id: "requests", label: t("friends.requests"), draw: requestsView },
    { id: "find", label: t("friends.find"), draw: findView },
    { id: "invite", label: t("friends.invite"), draw: inviteView },
    { id: "blocked", label: t("friends.blocked"), draw: blockedView },
  ], { label: t("nav.friends"), signal });
  return { title: t("nav.friends"), element: h("div", { class: "narrow" }, h("div", { class: "screen-head" }, h("h1", null, t("nav.friends"))), views) };
}

function friendsView(signal) {
  const place = h("div", { class: "card list-card" });
  const again = loaded(place, {
    load: () => all("/v1/friends", "friends", {}, signal),
    draw: (friends) => friends.length === 0
      ? empty("friends", t("friends.noneTitle"), t("friends.none"))
      : h("ul", { class: "lines" }, friends.map((friend) => personLine(friend, {
        note: t("friends.since", { date: moment(friend.sinceTime) }),
        onOpen: () => openPerson(friend, { signal, onChange: () => again({ quietly: true }) }),
      }))),
    signal,
  });
  return place;
}

function requestsView(signal) {
  const incoming = h("div", { class: "card list-card" });
  const outgoing = h("div", { class: "card list-card" });
  const list = (direction) => all("/v1/friend-requests", "friendRequests", { direction }, signal);
  const answer = (person, verb, words, again) => async () => {
    await post(`/v1/friend-requests/${person.userId}:${verb}`);
    toast(t(words, { name: person.nickname }), "good");
    await again({ quietly: true });
  };
  const againIn = loaded(incoming, {
    load: () => list("INCOMING"),
    draw: (people) => people.length === 0 ? h("p", { class: "nothing" }, t("friends.noIncoming")) : h("ul", { class: "lines" }, people.map((person) => personLine(person, {
      note: ago(person.createTime),
      actions: [
        lineButton(t("friends.decline"), answer(person, "decline", "friends.declined", againIn), { kind: "quiet", label: t("friends.declineWho", { name: person.nickname }) }),
        lineButton(t("friends.accept"), answer(person, "accept", "friends.nowFriends", againIn), { kind: "primary", label: t("friends.acceptWho", { name: person.nickname }) }),
      ],
    }))),
    rows: 2,
    signal,
  });
  const againOut = loaded(outgoing, {
    load: () => list("OUTGOING"),
    draw: (people) => people.length === 0 ? h("p", { class: "nothing" }, t("friends.noOutgoing")) : h("ul", { class: "lines" }, people.map((person) => personLine(person, {
      note: ago(person.createTime),
      actions: [lineButton(t("friends.cancel"), async () => {
        await remove(`/v1/friend-requests/${person.userId}`);
        await againOut({ quietly: true });
      }, { kind: "quiet", label: t("friends.cancelWho", { name: person.nickname }) })],
    }))),
    rows: 1,
    signal,
  });
  whenNews(["FRIEND_REQUEST"], () => againIn({ quietly: true }), signal);
  whenNews(["FRIEND_ACCEPTED"], () => againOut({ quietly: true }), signal);
  return [h("h2", { class: "part" }, t("friends.incoming")), incoming, h("h2", { class: "part" }, t("friends.outgoing")), outgoing];
}

function findView(signal) {
  const place = h("div", { class: "results", "aria-live": "polite" });
  const input = h("input", { type: "search", id: "find", class: "input", placeholder: t("friends.findExample"), autocomplete: "off", maxlength: 20 });
  let timer = 0;
  let running = new AbortController();
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, 250);
  });

  function look() {
    const query = input.value.trim();
    running.abort();
    running = new AbortController();
    if ([...query].length < 2) return place.replaceChildren();
    return loaded(place, {
      load: () => get("/v1/users:search", { query, pageSize: 20 }, running.signal),
      draw: ({ users }) => users.length === 0 ? h("p", { class: "nothing" }, t("friends.nobody", { query })) : h("ul", { class: "lines card list-card" }, users.map((user) => found(user, signal))),
      rows: 2,
      signal: running.signal,
    });
  }
  return [h("div", { class: "card field" }, h("label", { for: "find" }, t("friends.findLabel")), h("div", { class: "search" }, icon("search"), input)), place];
}

function found(user, signal) {
  const ask = lineButton(t("friends.ask"), async () => {
    toast(t(await askFriendship(user.userId), { name: user.nickname }), "good");
    ask.replaceWith(h("span", { class: "line-note" }, t("person.waiting")));
  }, { kind: "primary", label: t("friends.askWho", { name: user.nickname }) });
  const state = { FRIENDS: t("person.friend"), REQUESTED: t("person.waiting") }[user.friendshipState];
  return personLine(user, { actions: state ? [h("span", { class: "line-note" }, state)] : [ask], onOpen: () => openPerson(user, { signal }) });
}

function blockedView(signal) {
  const place = h("div", { class: "card list-card" });
  const again = loaded(place, {
    load: () => all("/v1/blocks", "blocks", {}, signal),
    draw: (blocks) => blocks.length === 0 ? empty("shield", t("friends.noBlocksTitle"), t("friends.noBlocks")) : h("ul", { class: "lines" }, blocks.map((person) => personLine(person, {
      note: moment(person.createTime),
      actions: [lineButton(t("friends.unblock"), async () => {
        if (!await confirmed(t("friends.unblockTitle", { name: person.nickname }), t("friends.unblockText"), t("friends.unblock"))) return;
        await remove(`/v1/blocks/${person.userId}`);
        await again({ quietly: true });
      }, { kind: "quiet", label: t("friends.unblockWho", { name: person.nickname }) })],
    }))),
    rows: 2,
    signal,
  });
  return place;
}
