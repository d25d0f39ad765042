// Which screen is shown: the part of the address behind the #. Screens are fetched when somebody first goes there.

/** Patterns such as "/groups/:groupId", tried in their order, and what loads each. */
export class Router {
  #routes;

  constructor(routes) {
    this.#routes = Object.entries(routes).map(([pattern, route]) => ({ parts: pattern.split("/"), ...route }));
  }

  /** The route of *path* with its values, or null. */
  find(path) {
    const parts = path.split("/");
    for (const route of this.#routes) {
      const values = match(route.parts, parts);
      if (values) return { ...route, values };
    }
    return null;
  }
}

/** The path that the address has now; "/" where it has none. */
export function here() {
  return location.hash.startsWith("#/") ? location.hash.slice(1) : "/";
}

/** Go to *path*; by *replace* there is no way back to where we are. */
export function go(path, { replace = false } = {}) {
  if (here() === path) return window.dispatchEvent(new HashChangeEvent("hashchange"));
  if (replace) location.replace(`#${path}`);
  else location.hash = path;
}

function match(pattern, parts) {
  if (pattern.length !== parts.length) return null;
  const values = {};
  for (const [index, part] of pattern.entries()) {
    if (part.startsWith(":")) values[part.slice(1)] = decoded(parts[index]);
    else if (part !== parts[index]) return null;
  }
  return Object.values(values).includes(null) ? null : values;
}

/** *text* without its escapes; null where they mean nothing. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
