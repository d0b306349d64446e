// Asks again and again while the page is looked at: pauses that grow after failures, none while
// the page is hidden.

import { pause } from "./api.js";

const LONGEST_PAUSE = 60_000;

export class Poller {
  #look;
  #pause;
  #onState;
  #failures = 0;
  #stopped = false;
  #wake = null;
  #visible = () => this.now();

  /**
   * `look(signal)` asks once and may throw a `Problem`; `pause()` says how many milliseconds the
   * next one has to wait; `onState("live" | "lost" | "refused")` hears how it went.
   */
  constructor({ look, pause: between, onState }) {
    this.#look = look;
    this.#pause = between;
    this.#onState = onState;
  }

  async run() {
    document.addEventListener("visibilitychange", this.#visible);
    while (!this.#stopped) {
      const wait = document.hidden ? Infinity : await this.#once();
      if (!this.#stopped) await this.#rest(wait);
    }
  }

  stop() {
    this.#stopped = true;
    document.removeEventListener("visibilitychange", this.#visible);
    this.#wake?.();
  }

  /** Do not wait out the pause. */
  now() {
    this.#failures = 0;
    if (this.#wake) this.#wake();
    else this.soon = true;
  }

  /** How long to wait after this look. */
  async #once() {
    this.soon = false;
    try {
      await this.#look();
    } catch (problem) {
      if (!this.#stopped) return this.#failed(problem);
    }
    if (this.#stopped) return 0;
    this.#failures = 0;
    this.#onState("live");
    return this.soon ? 0 : this.#pause();
  }

  #failed(problem) {
    if (problem.status === undefined) throw problem; // a defect of this page, not of the platform
    if (problem.status === 403) {
      this.#onState("refused");
      return Infinity;
    }
    this.#onState("lost");
    this.#failures += 1;
    const longest = Math.min(LONGEST_PAUSE, this.#pause() * 2 ** this.#failures);
    return Math.max((problem.retryAfter ?? 0) * 1000, longest * (0.75 + Math.random() / 4));
  }

  async #rest(milliseconds) {
    const woken = new Promise((resume) => (this.#wake = resume));
    await (milliseconds === Infinity ? woken : Promise.race([woken, pause(milliseconds)]));
    this.#wake = null;
  }
}
