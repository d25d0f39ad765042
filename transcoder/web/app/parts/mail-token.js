// The token of a link in a mail. This tab has it until it is used, so that a page that is loaded again has it too.

const NAME = "firewalker.mail-token";

let held = "";

/** Taken out of the address at once, so that it is in no history and no screenshot. */
export function mailToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) hold(`${location.pathname} ${given}`);
  if (location.hash) history.replaceState(null, "", location.pathname);
  const [path, token = ""] = (held || recalled()).split(" ");
  return path === location.pathname ? token : "";
}

/** Forget the token: it is used, and good for nothing more. */
export function tokenUsed() {
  hold("");
}

function hold(text) {
  held = text;
  try {
    if (text) sessionStorage.setItem(NAME, text);
    else sessionStorage.removeItem(NAME);
  } catch {
    // Storage is full or forbidden: this page has it all the same.
  }
}

function recalled() {
  try {
    return sessionStorage.getItem(NAME) ?? "";
  } catch {
    return "";
  }
}
