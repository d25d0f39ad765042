// Who is signed in. The access token lives in this module's memory; the refresh token in a cookie that no script can read,
// behind the server's /session routes.

import { Failure } from "./failure.js";
import { keep, recall } from "./kept.js";
import { shared } from "./store.js";

const EARLY_MS = 30_000; // how long before its end a token is exchanged

const tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel("firewalker") : null;

let token = "";
let expires = 0;
let holder = null; // whose token it is: { sub, sid }
let refreshing = null;
let previous = Promise.resolve();
let onEnd = () => {};
let onOther = () => {};

/**
 * Call *ended* when the session is over, wherever that was decided, and *replaced* when this browser has that of somebody
 * else: what is shown here is not theirs.
 */
export function whenOver({ ended, replaced }) {
  onEnd = ended;
  onOther = replaced;
  tabs?.addEventListener("message", ({ data }) => {
    if (data.name === "signed-in" && data.sub !== holder?.sub) onOther();
    if (data.name === "signed-out" && data.sid === holder?.sid) forget();
  });
}

/** Whether this browser was signed in when it was last here. */
export function wasSignedIn() {
  return recall("signed-in") === "yes";
}

export const signUp = (fields) => open("sign-up", fields);
export const signIn = (fields) => open("login", fields);

/** A token that is good for a while. */
export async function accessToken() {
  if (!token || Date.now() > expires - EARLY_MS) await refresh();
  return token;
}

/** Get another access token; several who ask at once share one exchange. Nobody gets the token of somebody else. */
export function refresh() {
  const before = holder;
  refreshing ??= alone(() => exchange(before)).then((answer) => answer ?? startOver()).finally(() => {
    refreshing = null;
  });
  return refreshing;
}

/**
 * What the cookie is good for; null if that is somebody else's: all tabs share it, and in another somebody may have signed in.
 * *before* is who was here when this was asked for.
 */
async function exchange(before) {
  if (before && !holder) throw new Failure({ reason: "NO_SESSION" }); // ended while this waited
  const answer = await post("refresh").catch((failure) => {
    if (failure.endsSession) end();
    throw failure;
  });
  return holder && claims(answer).sub !== holder.sub ? null : take(answer);
}

/** Have the page begin again. Never answers, so that nothing is done in the wrong name in the meantime. */
function startOver() {
  onOther();
  return new Promise(() => {});
}

/** End the session here and on the server: that of the cookie, or of the token where the cookie is gone. */
export async function signOut() {
  await alone(() => {
    const told = token ? post("logout", undefined, { authorization: `Bearer ${token}` }) : post("logout");
    return told.catch((failure) => {
      if (failure.status !== 401) throw failure;
      return post("logout"); // the token is too old to say anything
    }).then(end);
  });
}

/** The session is over: forget it, here and in the other tabs that are of it. */
export function end() {
  if (holder) tabs?.postMessage({ name: "signed-out", sid: holder.sid });
  forget();
}

function forget() {
  if (!token && !wasSignedIn()) return;
  token = "";
  expires = 0;
  holder = null;
  keep("signed-in", null);
  shared.set({ user: null, unread: 0 });
  onEnd();
}

async function open(route, fields) {
  const answer = await alone(() => post(route, { ...fields, installationId: installation(), deviceName: deviceName() }).then(take));
  shared.set({ user: answer.user });
  tabs?.postMessage({ name: "signed-in", sub: holder.sub });
  return answer.user;
}

function take(answer) {
  const { sub, sid, iat, exp } = claims(answer);
  token = answer.tokens.accessToken;
  // By this clock, not the server's: nobody's clock is right, but all run at the same pace.
  expires = Date.now() + (exp - iat) * 1000;
  holder = { sub, sid };
  keep("signed-in", "yes");
  return answer;
}

function claims({ tokens }) {
  return JSON.parse(atob(tokens.accessToken.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
}

async function post(route, body, headers = {}) {
  const answer = await fetch(`/session/${route}`, {
    method: "POST",
    headers: { "x-firewalker-session": "1", ...(body ? { "content-type": "application/json" } : {}), ...headers },
    body: body ? JSON.stringify(body) : undefined,
  }).catch(() => {
    throw Failure.offline();
  });
  if (!answer.ok) throw await Failure.ofAnswer(answer);
  return answer.json();
}

/** One at a time, in all tabs: they share the cookie. Where browsers have no locks, of this tab at least. */
function alone(work) {
  if (navigator.locks) return navigator.locks.request("firewalker-session", work);
  const done = previous.then(work);
  previous = done.catch(() => {});
  return done;
}

function installation() {
  let id = recall("installation");
  if (!id) {
    id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    keep("installation", id);
  }
  return id;
}

function deviceName() {
  const agent = navigator.userAgent;
  const browser = [["Edg/", "Edge"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]].find(([mark]) => agent.includes(mark));
  const system = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Mac OS", "macOS"], ["Windows", "Windows"], ["Linux", "Linux"]].find(([mark]) => agent.includes(mark));
  return [browser?.[1] ?? "Browser", system?.[1]].filter(Boolean).join(", ");
}
