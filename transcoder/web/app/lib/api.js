// Calls of the REST API, with the caller's token. Every refusal is a Failure.

import { Failure } from "./failure.js";
import { accessToken, end, refresh } from "./session.js";

export const get = (path, query, signal) => json("GET", path, { query, signal });
export const post = (path, body = {}, options = {}) => json("POST", path, { body, ...options });
export const put = (path, body) => json("PUT", path, { body });
export const patch = (path, body, mask) => json("PATCH", path, { body, query: { updateMask: mask.join(",") } });
export const remove = (path) => json("DELETE", path);

const unanswered = new Map(); // keys of calls that nobody knows the outcome of, by what they ask

/** A call that must not count twice: asked again after an answer that never came, it is the same call still. */
export async function once(path, body) {
  const asked = `${path} ${JSON.stringify(body)}`;
  if (!unanswered.has(asked)) unanswered.set(asked, crypto.randomUUID?.() ?? uuid());
  const answer = await post(path, body, { headers: { "idempotency-key": unanswered.get(asked) } });
  unanswered.delete(asked);
  return answer;
}

/** A call of somebody who is not signed in. */
export const anonymous = (path, body) => json("POST", path, { body, open: true });

/** What the answer holds besides JSON: a picture, or lines. */
export async function raw(path, options = {}) {
  return send("GET", path, options);
}

/** All pages of a list, one after the other, up to some hundreds of entries. */
export async function all(path, name, query = {}, signal = undefined) {
  const found = [];
  let pageToken = "";
  do {
    const page = await get(path, { pageSize: 200, ...query, ...(pageToken ? { pageToken } : {}) }, signal);
    found.push(...page[name]);
    pageToken = page.nextPageToken;
  } while (pageToken && found.length < 1000);
  return found;
}

async function json(method, path, options = {}) {
  const answer = await send(method, path, options);
  return answer.json().catch((error) => {
    throw error.name === "AbortError" ? error : Failure.offline();
  });
}

async function send(method, path, { body, query, signal, headers = {}, open = false }, again = true) {
  const sent = { accept: "application/json", ...headers };
  if (body !== undefined) sent["content-type"] = "application/json";
  if (!open) sent.authorization = `Bearer ${await accessToken()}`;
  const url = query ? `${path}?${new URLSearchParams(query)}` : path;
  let answer;
  try {
    answer = await fetch(url, { method, headers: sent, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw Failure.offline();
  }
  if (answer.ok) return answer;
  const failure = await Failure.ofAnswer(answer);
  if (!open && again && failure.refusesToken) {
    await refresh();
    return send(method, path, { body, query, signal, headers, open }, false);
  }
  if (!open && failure.endsSession) end();
  throw failure;
}

function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}
