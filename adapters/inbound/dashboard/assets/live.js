// The live stream, held open: reconnects with growing pauses and goes on where it stopped.

import { EventParser } from "./sse.js";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
const SILENCE = 40_000; // the platform says something every 15 s

export class LiveStream {
  #open;
  #onEvent;
  #onState;
  #lastEventId = "";
  #failures = 0;
  #stopped = false;
  #abort = null;
  #wake = null;

  /**
   * `open(lastEventId, signal)` gives a response; `onEvent(type, data)` gets parsed JSON;
   * `onState("live" | "lost" | "refused")` hears of each change.
   */
  constructor({ open, onEvent, onState }) {
    this.#open = open;
    this.#onEvent = onEvent;
    this.#onState = onState;
  }

  async run() {
    while (!this.#stopped) {
      const gone = await this.#connection();
      if (this.#stopped) return;
      this.#onState(gone ? "refused" : "lost");
      if (gone) return;
      await this.#wait();
    }
  }

  stop() {
    this.#stopped = true;
    this.#abort?.abort();
    this.#wake?.();
  }

  /** Do not wait out the pause: the person asked, or the network came back. */
  retryNow() {
    this.#failures = 0;
    this.#wake?.();
  }

  /** One connection, until it ends; true when another try is pointless. */
  async #connection() {
    this.#abort = new AbortController();
    try {
      const response = await this.#open(this.#lastEventId, this.#abort.signal);
      await this.#read(response.body.pipeThrough(new TextDecoderStream()).getReader());
    } catch (error) {
      return error.status === 401 || error.status === 403;
    } finally {
      this.#abort.abort();
    }
    return false;
  }

  async #read(reader) {
    const parser = new EventParser();
    parser.lastEventId = this.#lastEventId;
    for (;;) {
      const silence = setTimeout(() => this.#abort.abort(), SILENCE);
      const { done, value } = await reader.read().finally(() => clearTimeout(silence));
      if (done || this.#stopped) return;
      for (const event of parser.push(value)) this.#take(event);
      this.#lastEventId = parser.lastEventId;
      this.#failures = 0;
      this.#onState("live");
    }
  }

  #take({ type, data }) {
    let content;
    try {
      content = data ? JSON.parse(data) : {};
    } catch {
      return; // one unreadable message must not end the stream
    }
    this.#onEvent(type, content);
  }

  async #wait() {
    const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#failures);
    this.#failures += 1;
    const milliseconds = longest * (0.5 + Math.random() / 2);
    await new Promise((resume) => {
      this.#wake = resume;
      setTimeout(resume, milliseconds);
    });
    this.#wake = null;
  }
}
