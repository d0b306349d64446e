// Who is signed in, kept in this tab only: by a token that was pasted or came in the address
// (#token=…), or by the tokens of an account, which are renewed.

import { refreshed, revoke } from "./oauth.js";

const TOKEN = "homecast.token";
const ACCOUNT = "homecast.account";
const EARLY = 60_000; // before its end that an access token is renewed
const ANSWER_WITHIN = 200; // another tab with newer tokens

/** Take the token out of the address, so that it is neither seen, bookmarked nor in the history. */
export function tokenFromAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return token.trim();
}

/** What an earlier page of this tab left; null for nothing. */
export function kept() {
  const account = sessionStorage.getItem(ACCOUNT);
  if (account) return new AccountSession(JSON.parse(account));
  const token = sessionStorage.getItem(TOKEN);
  return token && new TokenSession(token);
}

function keep(key, value) {
  forget();
  sessionStorage.setItem(key, value);
}

const forget = () => [TOKEN, ACCOUNT].forEach((key) => sessionStorage.removeItem(key));

export class TokenSession {
  account = false;
  ended = "This token is not valid (any more).";
  #token;

  constructor(token) {
    this.#token = token;
  }

  keep() {
    keep(TOKEN, this.#token);
  }

  forget() {
    forget();
  }

  /** What to send; null: nothing does any more. */
  async token() {
    return this.#token;
  }

  /** Another one than `refused`; null for none. */
  async renewed() {
    return null;
  }
}

/**
 * A refresh token is good once. A tab that was duplicated has the same one: so one of them renews
 * at a time, hears first whether another has done it, and tells the others what it got.
 */
export class AccountSession {
  account = true;
  ended = "You are signed out. Sign in to go on.";
  #held;
  #over = false;
  #channel = new BroadcastChannel("homecast.account");

  /** `held`: tokens; `family`: what duplicates have in common; `turn`: counts renewals. */
  constructor(tokens) {
    this.#held = { family: crypto.randomUUID(), turn: 0, ...tokens };
    this.#channel.onmessage = ({ data }) => this.#hear(data);
  }

  get idToken() {
    return this.#held.id_token;
  }

  keep() {
    keep(ACCOUNT, JSON.stringify(this.#held));
  }

  /** What is renewed meanwhile is not kept any more. */
  forget() {
    this.#over = true;
    this.#channel.close();
    forget();
  }

  async token() {
    if (this.#good(EARLY)) return this.#held.access_token;
    try {
      return await this.renewed(null);
    } catch (problem) {
      if (this.#good(0)) return this.#held.access_token;
      throw problem;
    }
  }

  async renewed(refused) {
    return navigator.locks.request(`homecast.${this.#held.family}`, async () => {
      if (this.#over) return null;
      await this.#catchUp();
      if (this.#good(EARLY) && this.#held.access_token !== refused) return this.#held.access_token;
      try {
        const tokens = await refreshed(this.#held.refresh_token);
        this.#take({ ...tokens, turn: this.#held.turn + 1 });
        if (!this.#over) this.#channel.postMessage(this.#held);
      } catch (problem) {
        if (problem.ended) return null;
        throw problem;
      }
      return this.#held.access_token;
    });
  }

  /** Have the grant ended, at the platform too if it can be told. */
  async end() {
    await revoke(this.#held.refresh_token ?? this.#held.access_token).catch(() => {});
  }

  #good(early) {
    return this.#held.expires_at - early > Date.now();
  }

  #take(tokens) {
    const told = Object.entries(tokens).filter(([, value]) => value !== undefined);
    this.#held = { ...this.#held, ...Object.fromEntries(told) };
    if (!this.#over) this.keep();
  }

  /** Who asks has no token in its message; who has newer ones answers. */
  #hear(data) {
    if (data.family !== this.#held.family) return;
    if (data.turn > this.#held.turn && data.access_token) this.#take(data);
    else if (data.turn < this.#held.turn) this.#channel.postMessage(this.#held);
  }

  async #catchUp() {
    const { family, turn } = this.#held;
    this.#channel.postMessage({ family, turn });
    const until = Date.now() + ANSWER_WITHIN;
    const waits = () => this.#held.turn === turn && Date.now() < until;
    while (waits()) await new Promise((resume) => setTimeout(resume, 20));
  }
}
