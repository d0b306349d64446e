// Whether the platform answers: a dot in the header, and a banner once it has been away for a bit.

import { byId, mark, say } from "./dom.js";
import { toast } from "./notices.js";
import { clock } from "./words.js";

const LOST_WORDS = 1500; // a short break is not worth a banner
const WORDS = { live: "Live", connecting: "Connecting", lost: "Not connected", refused: "No access" };

export class Connection {
  #complete;
  #refusal;
  #state = null;
  #banner = 0;
  #ended = false;

  /** `complete()`: whether there is something old to look at. `refusal`: for a lack of scope. */
  constructor({ complete, refusal }) {
    this.#complete = complete;
    this.#refusal = refusal;
  }

  /** `live`, `connecting`, `lost` or `refused`. */
  show(state) {
    if (this.#state === state || this.#ended) return;
    this.#state = state;
    if (state === "refused") toast(this.#refusal);
    mark(byId("live"), "data-state", state);
    say(byId("live-words"), WORDS[state]);
    clearTimeout(this.#banner);
    mark(document.body, "data-live", state === "live");
    if (state === "live") mark(byId("banner"), "hidden", true);
    const since = new Date();
    if (state === "lost") this.#banner = setTimeout(() => this.#showLost(since), LOST_WORDS);
  }

  end() {
    this.#ended = true;
    clearTimeout(this.#banner);
  }

  #showLost(since) {
    const age = this.#complete() ? ` What you see is from ${clock(since)}.` : "";
    say(byId("banner-words"), `No connection to the platform.${age} Trying again…`);
    mark(byId("banner"), "hidden", null);
  }
}
