// Server-sent events from a stream of text (WHATWG HTML, 9.2.6), for fetch() can carry a token
// where EventSource cannot.

export class EventParser {
  #buffer = "";
  #event = { type: "", data: [] };
  lastEventId = "";

  /** The events that this piece of text completes: `{ type, data, id }`. */
  push(text) {
    this.#buffer += text;
    const found = [];
    // A "\r" at the end may be the first half of a "\r\n": it waits for the next piece.
    const line = /([^\r\n]*)(\r\n|\n|\r(?!$))/y;
    let used = 0;
    for (let match; (match = line.exec(this.#buffer)); used = line.lastIndex) {
      const event = this.#take(match[1]);
      if (event) found.push(event);
    }
    this.#buffer = this.#buffer.slice(used);
    return found;
  }

  #take(line) {
    if (line === "") return this.#complete();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event.type = value;
    else if (field === "data") this.#event.data.push(value);
    else if (field === "id" && !value.includes("\0")) this.lastEventId = value;
    return null;
  }

  #complete() {
    const { type, data } = this.#event;
    this.#event = { type: "", data: [] };
    if (type === "" && data.length === 0) return null;
    return { type: type || "message", data: data.join("\n"), id: this.lastEventId };
  }
}
