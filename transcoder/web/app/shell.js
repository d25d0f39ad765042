// The frame around every screen: where one can go, what waits in the inbox, whether there is a network.

import { follow } from "./lib/follow.js";
import { h, put } from "./lib/dom.js";
import { tell } from "./lib/news.js";
import { shared } from "./lib/store.js";
import { count, currentLocale, t } from "./lib/words.js";
import { icon, logo } from "./parts/icons.js";
import { toast } from "./parts/notices.js";

const TABS = [["today", "/"], ["history", "/history"], ["friends", "/friends"], ["groups", "/groups"], ["settings", "/settings"]];

/** The frame; `main` is where screens go, `mark` shows which tab is open, `close` ends what it follows. */
export function openShell({ signedIn }) {
  const leave = new AbortController();
  const main = h("main", { id: "main", class: signedIn ? "main" : "main alone", tabindex: "-1" });
  const links = TABS.map(([name, path]) => h("a", { href: `#${path}`, class: "nav-link", "data-tab": name }, icon(name), h("span", null, t(`nav.${name}`))));
  const bell = inboxLink(leave.signal);
  const header = h("header", { class: "top" },
    h("a", { href: "#/", class: "brand" }, logo(), h("span", null, "Firewalker")),
    signedIn ? bell : null);
  const element = h("div", { class: signedIn ? "shell" : "shell signed-out" },
    h("a", { href: "#main", class: "skip", onclick: skip }, t("nav.skip")),
    header,
    offlineNotice(leave.signal),
    signedIn ? h("nav", { class: "nav", "aria-label": t("nav.label") }, links) : null,
    main);
  if (signedIn) followInbox(leave.signal);

  function skip(event) {
    event.preventDefault();
    main.focus();
  }

  return {
    element, main, signedIn, locale: currentLocale(),
    mark(tab) {
      for (const link of [...links, bell]) {
        if (link.dataset.tab === tab) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      }
    },
    close: () => leave.abort(),
  };
}

function inboxLink(signal) {
  const badge = h("span", { class: "badge", hidden: true });
  const link = h("a", { href: "#/inbox", class: "icon-button bell", "data-tab": "inbox" }, icon("bell"), badge);
  const show = ({ unread }) => {
    badge.hidden = unread === 0;
    badge.textContent = unread > 99 ? "99+" : count(unread);
    link.setAttribute("aria-label", unread === 0 ? t("nav.inbox") : t("nav.inboxUnread", { count: unread }));
  };
  show(shared.get());
  shared.watch(show, signal);
  return link;
}

function offlineNotice(signal) {
  const notice = h("div", { class: "offline-place", role: "status" });
  const show = ({ online }) => put(notice, online ? null : h("p", { class: "offline" }, icon("offline"), t("state.offline")));
  show(shared.get());
  shared.watch((now, before) => {
    if (now.online !== before.online) show(now);
  }, signal);
  return notice;
}

/** Keep the number of unread news, and tell of each as it comes. A stream that was interrupted says nothing of those it missed. */
function followInbox(signal) {
  let followed = false;
  follow({
    path: "/v1/notifications:watch",
    signal,
    onState(state) {
      if (state !== "live") return;
      if (followed) tell();
      followed = true;
    },
    onMessage(update) {
      if (update.end) return;
      shared.set({ unread: update.unreadCount });
      if (!update.notification) return;
      toast(update.notification.body);
      tell(update.notification);
    },
  });
}
