// The inbox: what happened, newest first; live.

import { get, post } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { whenNews } from "../lib/news.js";
import { shared } from "../lib/store.js";
import { ago, t } from "../lib/words.js";
import { icon } from "../parts/icons.js";
import { lineButton } from "../parts/people.js";
import { empty, loaded } from "../parts/states.js";

const PICTURES = {
  FRIEND_REQUEST: "friends", FRIEND_ACCEPTED: "friends", OVERTAKEN: "up", TOOK_FIRST_PLACE: "trophy", GOAL_REACHED: "flag", FRIEND_GOAL_REACHED: "flag",
  GROUP_JOIN_REQUEST: "groups", GROUP_JOINED: "groups", CHEER: "HEART", DAY_RESULT: "history", SECURITY: "shield",
};
const PLACES = {
  FRIEND_REQUEST: "/friends", FRIEND_ACCEPTED: "/friends", OVERTAKEN: "/", TOOK_FIRST_PLACE: "/", GOAL_REACHED: "/", FRIEND_GOAL_REACHED: "/",
  GROUP_JOIN_REQUEST: "/groups", GROUP_JOINED: "/groups", CHEER: "/", DAY_RESULT: "/history", SECURITY: "/settings",
};

export function show({ signal }) {
  const place = h("div", { class: "card list-card" });
  let newest = null; // of those shown: what came since was not read
  const readAll = lineButton(t("inbox.readAll"), async () => {
    if (newest) await mark({ allBeforeTime: newest.createTime });
    await again({ quietly: true });
  }, { kind: "quiet" });
  const showButton = () => {
    readAll.hidden = shared.get().unread === 0;
  };
  const again = loaded(place, {
    load: async () => {
      const first = await get("/v1/notifications", { pageSize: 50 }, signal);
      shared.set({ unread: first.unreadCount });
      return first;
    },
    draw: (first) => {
      [newest = null] = first.notifications;
      return newest ? pages(first, signal) : empty("bell", t("inbox.emptyTitle"), t("inbox.empty"));
    },
    signal,
  });
  shared.watch(showButton, signal);
  showButton();
  whenNews([], () => again({ quietly: true }), signal);
  return {
    title: t("nav.inbox"),
    element: h("div", { class: "narrow" }, h("div", { class: "screen-head" }, h("h1", null, t("nav.inbox")), readAll), place),
  };
}

function pages(first, signal) {
  const list = h("ul", { class: "lines news" }, first.notifications.map(line));
  let next = first.nextPageToken;
  if (!next) return list;
  const more = lineButton(t("action.more"), async () => {
    const page = await get("/v1/notifications", { pageSize: 50, pageToken: next }, signal);
    list.append(...page.notifications.map(line));
    next = page.nextPageToken;
    if (!next) more.remove();
  });
  return [list, more];
}

function line(news) {
  const unread = !news.readTime;
  const where = news.params.group_id ? `/groups/${news.params.group_id}` : PLACES[news.type] ?? "/";
  const link = h("a", { class: "line-body", href: `#${where}`, onclick: () => {
    if (unread) mark({ notificationIds: [news.notificationId] }).catch(() => {});
  } }, h("span", { class: `news-icon ${news.type === "SECURITY" ? "grave" : ""}` }, icon(PICTURES[news.type] ?? "bell")),
  h("span", { class: "line-words" },
    h("span", { class: "line-name" }, news.title, unread ? h("span", { class: "unread-dot" }, h("span", { class: "unseen" }, t("inbox.unread"))) : null),
    h("span", { class: "line-text" }, news.body),
    h("span", { class: "line-note" }, ago(news.createTime))));
  return h("li", { class: unread ? "line unread" : "line" }, link);
}

async function mark(what) {
  const { unreadCount } = await post("/v1/notifications:markRead", what);
  shared.set({ unread: unreadCount });
}
