// What is known of creatives: lists of each status, put together; what a person needs of each.

export const UNDER_WAY = ["DISCOVERED", "FETCHED", "SUBMITTED", "PROGRESSING"];
export const TROUBLE = ["FAILED", "QUARANTINED", "CANCELED"];
export const READY = ["COMPLETE", "LINKED", "RELEASED"];
export const STATUSES = [...UNDER_WAY, ...TROUBLE, ...READY];

const changed = (creative) => Date.parse(creative.updated_at);
const MISSED = 2; // a list may be read just before or after a creative moves: missing twice is gone

/** `way`, `trouble` or `ready`. A released one without a rendition has its way before it. */
export function columnOf({ status, rendition, linked_to: linkedTo }) {
  if (UNDER_WAY.includes(status)) return "way";
  if (TROUBLE.includes(status)) return "trouble";
  return status === "RELEASED" && !rendition && !linkedTo ? "way" : "ready";
}

/** What may be done to a creative, by its status. */
export function actsFor({ status }) {
  const acts = [];
  if (["FAILED", "CANCELED"].includes(status)) acts.push("retry");
  if (["SUBMITTED", "PROGRESSING"].includes(status)) acts.push("cancel");
  acts.push(status === "QUARANTINED" ? "release" : "quarantine");
  return acts;
}

export class Creatives {
  #known = new Map();
  #missed = new Map();
  #more = new Map();
  #asked = new Set();

  /** A page of the list of one status, newest change first. */
  take(status, { items = [], next_cursor: next = null }, first = true) {
    for (const one of items) this.takeOne(one);
    if (!first) return;
    this.#asked.add(status);
    this.#more.set(status, next !== null);
    const here = new Set(items.map((one) => one.id));
    const oldest = next === null || !items.length ? -Infinity : changed(items.at(-1));
    for (const one of this.of(status)) {
      if (!here.has(one.id) && changed(one) > oldest) this.#miss(one.id);
    }
  }

  #miss(id) {
    const times = (this.#missed.get(id) ?? 0) + 1;
    this.#missed.set(id, times);
    if (times >= MISSED) this.#known.delete(id);
  }

  /** Whether it was missing in its list the last time. */
  missed(id) {
    return this.#missed.has(id);
  }

  /** What is older than what is known is passed over: lists lag behind by moments. */
  takeOne(creative) {
    const known = this.#known.get(creative.id);
    if (known && changed(known) > changed(creative)) return;
    this.#known.set(creative.id, creative);
    this.#missed.delete(creative.id);
  }

  get(id) {
    return this.#known.get(id);
  }

  /** Whether every list has been had. */
  get complete() {
    return STATUSES.every((status) => this.#asked.has(status));
  }

  /** Newest change first. */
  all() {
    return [...this.#known.values()].sort((one, other) => changed(other) - changed(one));
  }

  of(status) {
    return this.all().filter((one) => one.status === status);
  }

  inColumn(column) {
    return this.all().filter((one) => columnOf(one) === column);
  }

  /** Whether the platform has more of these statuses than are known here. */
  hasMore(statuses) {
    return statuses.some((status) => this.#more.get(status));
  }

  /** The statuses of what is under way, to be asked for often. */
  moving() {
    return [...new Set(this.inColumn("way").map((one) => one.status))];
  }

  linkedTo(id) {
    return this.all().filter((one) => one.linked_to === id);
  }

  /** Its own rendition, or that of the creative it is linked to, as far as it is known. */
  renditionOf(creative) {
    return creative.rendition ?? this.#known.get(creative.linked_to)?.rendition ?? null;
  }
}
