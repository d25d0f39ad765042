// What the browser keeps between visits: choices, never secrets.

/** The text kept under *name*, or null. */
export function recall(name) {
  try {
    return localStorage.getItem(`firewalker.${name}`);
  } catch {
    return null;
  }
}

/** Keep *text* under *name*; null forgets it. */
export function keep(name, text) {
  try {
    if (text === null) localStorage.removeItem(`firewalker.${name}`);
    else localStorage.setItem(`firewalker.${name}`, text);
  } catch {
    // Storage is full or forbidden: the choice holds until the page is left.
  }
}
