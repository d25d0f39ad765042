// Who is signed in. The access token lives in this module's memory; the refresh token in a cookie that no script can read,
// behind the server's /session routes.

import { Failure } from "./failure.js";
import { keep, recall } from "./kept.js";
import { shared } from "./store.js";

const EARLY_MS = 30_000; // how long before its end a token is exchanged

const tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel("firewalker") : null;

let token = "";
let expires = 0;
let refreshing = null;
let previous = Promise.resolve();
let onEnd = () => {};

/** Call *listener* when the session is over, wherever that was decided. */
export function whenEnded(listener) {
  onEnd = listener;
  tabs?.addEventListener("message", (event) => {
    if (event.data === "signed-out") forget();
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

/** Get another access token; several who ask at once share one exchange. */
export function refresh() {
  refreshing ??= alone(() => post("refresh").then(take, (failure) => {
    if (failure.endsSession) end();
    throw failure;
  })).finally(() => {
    refreshing = null;
  });
  return refreshing;
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

/** The session is over: forget it, here and in other tabs. */
export function end() {
  tabs?.postMessage("signed-out");
  forget();
}

function forget() {
  if (!token && !wasSignedIn()) return;
  token = "";
  expires = 0;
  keep("signed-in", null);
  shared.set({ user: null, unread: 0 });
  onEnd();
}

async function open(route, fields) {
  const answer = await alone(() => post(route, { ...fields, installationId: installation(), deviceName: deviceName() }).then(take));
  shared.set({ user: answer.user });
  return answer.user;
}

function take(answer) {
  token = answer.tokens.accessToken;
  // By this clock, not the server's: nobody's clock is right, but all run at the same pace.
  expires = Date.now() + lifetime(token);
  keep("signed-in", "yes");
  return answer;
}

function lifetime(jwt) {
  try {
    const claims = JSON.parse(atob(jwt.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
    return (claims.exp - claims.iat) * 1000;
  } catch {
    return 5 * 60_000;
  }
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
