// What this page knows of a board: the last snapshot with every change since. Pure.

const UNRANKED = Number.MAX_SAFE_INTEGER;

/** A board; `apply` takes the answers of the watch stream in, in their order. */
export class Standings {
  date = "";
  version = "";
  #rows = new Map();

  /** Take *update* in; true if it changed what is to be shown. */
  apply(update) {
    if (update.snapshot) {
      this.#rows = new Map(update.snapshot.entries.map((entry) => [entry.userId, entry]));
      this.date = update.snapshot.date;
      this.version = update.snapshot.version;
      return true;
    }
    if (update.changes) {
      for (const id of update.changes.removedUserIds) this.#rows.delete(id);
      for (const entry of update.changes.entries) this.#put(entry);
      this.version = update.changes.version;
      return true;
    }
    if (update.heartbeat) this.version = update.heartbeat.version;
    if (update.end) this.version = update.end.reason === "DAY_OVER" ? "" : update.end.version || this.version;
    return false;
  }

  /** Who gets to a rank or a number of steps comes behind those who are there; who only looks different stays in place. */
  #put(entry) {
    const known = this.#rows.get(entry.userId);
    if (known && (known.rank !== entry.rank || known.steps !== entry.steps)) this.#rows.delete(entry.userId);
    this.#rows.set(entry.userId, entry);
  }

  /** The rows in order. Rows of one rank stay as they came: the server sends ties in their order. */
  get rows() {
    return [...this.#rows.values()].sort((a, b) => (a.rank || UNRANKED) - (b.rank || UNRANKED));
  }

  get mine() {
    return this.rows.find((entry) => entry.me);
  }
}
