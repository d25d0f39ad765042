// The start: words, session, and the screen that the address names. Signed-out people see the way in, and get where they
// wanted to go once they are in.

import { get } from "./lib/api.js";
import { h, put } from "./lib/dom.js";
import { go, here, Router } from "./lib/router.js";
import { refresh, wasSignedIn, whenOver } from "./lib/session.js";
import { shared } from "./lib/store.js";
import { preferredLocale, speak, t } from "./lib/words.js";
import { places, toast } from "./parts/notices.js";
import { failed } from "./parts/states.js";
import { openShell } from "./shell.js";

const router = new Router({
  "/": { load: () => import("./screens/today.js"), tab: "today" },
  "/history": { load: () => import("./screens/history.js"), tab: "history" },
  "/friends": { load: () => import("./screens/friends.js"), tab: "friends" },
  "/groups": { load: () => import("./screens/groups.js"), tab: "groups" },
  "/groups/:groupId": { load: () => import("./screens/group.js"), tab: "groups" },
  "/inbox": { load: () => import("./screens/inbox.js"), tab: "inbox" },
  "/settings": { load: () => import("./screens/settings.js"), tab: "settings" },
});
const welcome = { load: () => import("./screens/welcome.js") };
const lost = { load: () => import("./screens/lost.js") };
/** Pages that links in mails lead to; they need nobody to be signed in. */
const byMail = {
  "/verify-email": { load: () => import("./screens/verify-email.js") },
  "/reset-password": { load: () => import("./screens/reset-password.js") },
};

const app = document.getElementById("app");
let shell = null;
let leave = new AbortController();

/** Show what the address names. */
async function show({ first = false } = {}) {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  try {
    const route = byMail[location.pathname] ?? (shared.get().user ? router.find(here()) ?? lost : welcome);
    frame(route);
    const screen = await route.load();
    if (signal.aborted) return;
    const made = screen.show({ signal, values: route.values ?? {}, redraw: show, enter });
    document.title = `${made.title} · Firewalker`;
    put(shell.main, made.element);
    if (!first) arrive();
  } catch (error) {
    if (signal.aborted) return;
    console.warn(error);
    put(shell?.main ?? app, failed(error, () => show()));
  }
}

/** The frame around the screen: with the ways to everywhere for who is signed in. */
function frame(route) {
  const signedIn = Boolean(shared.get().user) && !byMail[location.pathname];
  if (shell?.signedIn !== signedIn || shell.locale !== document.documentElement.lang) {
    shell?.close();
    shell = openShell({ signedIn });
    put(app, shell.element, places);
  }
  shell.mark(route.tab);
}

/** Who goes to another screen is told so: focus is on its heading, at its top. */
function arrive() {
  scrollTo(0, 0);
  const heading = shell.main.querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  heading?.focus({ preventScroll: true });
}

/** Somebody has signed in. */
async function enter() {
  if (location.pathname !== "/") history.replaceState(null, "", "/");
  await show();
}

async function restore() {
  if (!wasSignedIn() || byMail[location.pathname]) return;
  try {
    await refresh();
    shared.set({ user: (await get("/v1/users/me")).user });
  } catch (error) {
    if (!error.endsSession) throw error;
  }
}

async function start() {
  try {
    await speak(preferredLocale());
  } catch (error) {
    console.warn(error);
    put(app, speechless());
    return;
  }
  whenOver({
    ended() {
      toast(t("session.ended"));
      if (!byMail[location.pathname]) go("/", { replace: true });
    },
    replaced() {
      if (!byMail[location.pathname]) location.reload();
    },
  });
  window.addEventListener("hashchange", () => {
    if (!byMail[location.pathname]) show();
  });
  window.addEventListener("online", () => shared.set({ online: true }));
  window.addEventListener("offline", () => shared.set({ online: false }));
  try {
    await restore();
  } catch (error) {
    put(app, h("main", { class: "alone" }, failed(error, () => location.reload())));
    return;
  }
  await show({ first: true });
}

/** All that can be said without words: in both languages. */
function speechless() {
  return h("main", { class: "alone" }, h("div", { class: "empty", role: "alert" },
    h("p", null, "Firewalker could not be loaded."), h("p", { lang: "ko" }, "Firewalker를 불러오지 못했습니다."),
    h("button", { type: "button", class: "button", onclick: () => location.reload() }, "Try again · ", h("span", { lang: "ko" }, "다시 시도"))));
}

start();
