// What more than one part of the page shows. Parts read it, change it with `set`, and hear of changes with `watch`.

/** A store of a few named values. */
export function createStore(initial) {
  let values = Object.freeze({ ...initial });
  const watchers = new Set();
  return {
    get: () => values,
    set(change) {
      const before = values;
      values = Object.freeze({ ...values, ...change });
      for (const watcher of [...watchers]) watcher(values, before);
    },
    /** Call *watcher* after every change, until *signal* is aborted. */
    watch(watcher, signal) {
      watchers.add(watcher);
      signal?.addEventListener("abort", () => watchers.delete(watcher), { once: true });
    },
  };
}

/** The page's own: who is signed in, what waits in the inbox, whether there is a network. */
export const shared = createStore({ user: null, unread: 0, online: navigator.onLine });
