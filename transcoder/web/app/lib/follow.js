// Follows a watch stream for as long as somebody looks: opens it again after failures, with the words to resume.

import { raw } from "./api.js";
import { events } from "./events.js";
import { Failure } from "./failure.js";
import { end as endSession, refresh } from "./session.js";

const QUIET_LIMIT_MS = 50_000; // the server says something every 20 s
const HIDDEN_MS = 20_000; // how long a page in the background stays connected
const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 20_000;
const PATIENCE = 6; // attempts, some 20 s together

/**
 * Follow the stream at *path* until *signal* is aborted or nothing can come any more.
 *
 * `query()` gives the parameters of the next attempt, `onMessage` takes each message, `onState` hears "connecting", "live",
 * "waiting" (it will be tried again), "paused" (nobody looks) and "replaced" (too many others are open), `onFailure` what
 * ends it for good. Reasons in `notYet` may be over in some seconds: one service has not heard yet what another did.
 */
export async function follow({ path, query = () => ({}), signal, notYet = [], onMessage, onState = () => {}, onFailure = () => {} }) {
  let failures = 0;
  while (!signal.aborted) {
    await seen(signal, onState);
    if (signal.aborted) return;
    onState("connecting");
    const attempt = new AbortController();
    const outcome = await connect({ path, query: query(), attempt, signal, onMessage, onLive: () => {
      failures = 0;
      onState("live");
    } });
    if (signal.aborted) return;
    if (outcome.gaveUp && !(notYet.includes(outcome.gaveUp.reason) && failures < PATIENCE)) return onFailure(outcome.gaveUp);
    if (outcome.end === "REPLACED") {
      onState("replaced");
      await event(window, "focus", signal);
    } else if (!outcome.atOnce) {
      onState("waiting");
      failures += 1;
      await pause(delay(failures), signal);
    }
  }
}

async function connect({ path, query, attempt, signal, onMessage, onLive }) {
  const stop = () => attempt.abort();
  signal.addEventListener("abort", stop, { once: true });
  const background = whenHidden(stop);
  let watchdog = setTimeout(stop, QUIET_LIMIT_MS);
  let end = "";
  try {
    const answer = await raw(path, { query, signal: attempt.signal, headers: { accept: "text/event-stream" } });
    onLive();
    for await (const each of events(answer.body)) {
      clearTimeout(watchdog);
      watchdog = setTimeout(stop, QUIET_LIMIT_MS);
      if (each === null) continue;
      const body = JSON.parse(each.data);
      if (each.name === "error") throw Failure.ofStatus(200, body);
      end = body.end?.reason ?? "";
      onMessage(body);
    }
    return { end, atOnce: end === "DAY_OVER" };
  } catch (error) {
    return judged(error, background.hidden());
  } finally {
    clearTimeout(watchdog);
    background.forget();
    signal.removeEventListener("abort", stop);
    attempt.abort();
  }
}

/** What a failure means for the next attempt. */
async function judged(error, hidden) {
  if (error.name === "AbortError") return { atOnce: hidden };
  if (!(error instanceof Failure)) return {}; // the connection broke in the middle
  if (error.status === 200 && error.refusesToken) return { atOnce: await refresh().then(() => true, () => false) };
  if (error.endsSession) {
    endSession();
    return { gaveUp: error };
  }
  return error.passing || error.status === 200 ? {} : { gaveUp: error };
}

function delay(failures) {
  const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (failures - 1));
  return most * (0.5 + Math.random() / 2);
}

/** Call *stop* once the page has been in the background for a while. */
function whenHidden(stop) {
  let timer = 0;
  let stopped = false;
  const look = () => {
    clearTimeout(timer);
    if (document.visibilityState === "hidden") {
      timer = setTimeout(() => {
        stopped = true;
        stop();
      }, HIDDEN_MS);
    }
  };
  document.addEventListener("visibilitychange", look);
  look();
  return {
    hidden: () => stopped,
    forget() {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", look);
    },
  };
}

/** Return once somebody looks at the page and there is a network. */
async function seen(signal, onState) {
  while (!signal.aborted && document.visibilityState === "hidden") {
    onState("paused");
    await event(document, "visibilitychange", signal);
  }
  while (!signal.aborted && !navigator.onLine) {
    onState("waiting");
    await event(window, "online", signal);
  }
}

function event(target, name, signal) {
  return new Promise((resolve) => {
    function done() {
      target.removeEventListener(name, done);
      signal.removeEventListener("abort", done);
      resolve();
    }
    target.addEventListener(name, done);
    signal.addEventListener("abort", done);
  });
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    function done() {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      signal.removeEventListener("abort", done);
      resolve();
    }
    window.addEventListener("online", done);
    signal.addEventListener("abort", done);
  });
}
