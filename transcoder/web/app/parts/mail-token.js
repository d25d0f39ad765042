// The token of a link in a mail.

/** Taken out of the address at once, so that it is in no history and no screenshot. */
export function mailToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? history.state?.token ?? "";
  if (location.hash) history.replaceState({ token }, "", location.pathname);
  return token;
}
