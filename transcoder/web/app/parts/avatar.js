// A person's picture, or their first letter on a colour of their own.

import { h } from "../lib/dom.js";

const COLOURS = 6;

/** Decoration: the name always stands beside it. */
export function avatar({ userId, nickname, avatarUrl }, size = "") {
  const letter = h("span", { class: `avatar avatar-${tint(userId)} ${size}`, "aria-hidden": "true" }, [...nickname][0]?.toUpperCase() ?? "?");
  if (!ours(avatarUrl)) return letter;
  const picture = h("img", { class: `avatar ${size}`, src: avatarUrl.replace(/1024(?=\.\w+$)/, "256"), alt: "", loading: "lazy" });
  picture.addEventListener("error", () => picture.replaceWith(letter), { once: true });
  return picture;
}

/** The page shows pictures of its own host alone: its content policy forbids all others. */
function ours(url) {
  return Boolean(url) && new URL(url, location.href).origin === location.origin;
}

function tint(userId) {
  return [...userId].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 9973, 7) % COLOURS;
}
