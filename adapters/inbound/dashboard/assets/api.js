// The HTTP API. Failures arrive as `Problem`, with words for people.

const PAUSES = [400, 1200, 3000];
const CONSISTENCY = "Consistency-Token";
const UNMET = new Set(["read_model_behind", "invalid_consistency_token"]);
const RETRYABLE = new Set([429, 503]);

export class Problem extends Error {
  /** `status` 0: the platform could not be reached. */
  constructor(status, body = {}) {
    super(body.detail || body.title || `The platform answered ${status}`);
    this.status = status;
    this.code = body.code ?? "";
    this.errors = body.errors ?? [];
  }

  get words() {
    const reasons = this.errors.map((one) => `${one.field}: ${one.reason}`);
    const said = [this.message, ...reasons].join(". ");
    return said.charAt(0).toUpperCase() + said.slice(1);
  }
}

export class Api {
  #session;
  #refused;
  #lastWrite = ""; // what later reads may not lag behind

  /** `session` has the token; `refused` is called when it is not accepted and there is no other. */
  constructor(session, refused) {
    this.#session = session;
    this.#refused = refused;
  }

  async #fetch(path, options = {}) {
    const token = await this.#session.token();
    let response = await this.#sent(token, path, options);
    if (response.status === 401) {
      const other = token && (await this.#session.renewed(token));
      if (other) response = await this.#sent(other, path, options);
      if (response.status === 401) this.#refused();
    }
    this.#lastWrite = response.headers.get(CONSISTENCY) ?? this.#lastWrite;
    return response;
  }

  async #sent(token, path, { method = "GET", headers = {}, body, signal }) {
    if (!token) return new Response(null, { status: 401 });
    const reads = method === "GET" && this.#lastWrite;
    const consistency = reads ? { [CONSISTENCY]: this.#lastWrite } : {};
    return fetch(path, {
      method,
      signal,
      cache: "no-store",
      credentials: "omit",
      headers: { Authorization: `Bearer ${token}`, ...consistency, ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  }

  async #json(path, options) {
    let response;
    try {
      response = await this.#fetch(path, options);
    } catch {
      throw new Problem(0, { detail: "The platform cannot be reached" });
    }
    const body = await response.json().catch(() => ({}));
    if (response.ok) return body;
    const problem = this.#problem(response.status, body);
    problem.retryAfter = Number(response.headers.get("Retry-After")) || null;
    throw problem;
  }

  /** The next read shows what there is, rather than nothing. */
  #problem(status, body) {
    const problem = new Problem(status, body);
    if (UNMET.has(problem.code)) this.#lastWrite = "";
    return problem;
  }

  /** Whatever a path answers; `query`: its parameters, empty ones are left out. */
  get(path, query = {}, signal = undefined) {
    const given = Object.entries(query).filter(([, value]) => value !== "" && value != null);
    const parameters = new URLSearchParams(given).toString();
    return this.#json(parameters ? `${path}?${parameters}` : path, { signal });
  }

  post(path, body = undefined) {
    const headers = body === undefined ? {} : { "Content-Type": "application/json" };
    return this.#json(path, { method: "POST", headers, body });
  }

  /** Submit a command. Repeating is safe: every try carries the same key. */
  async submit(deviceId, body, key) {
    const path = `/v1/devices/${encodeURIComponent(deviceId)}/commands`;
    const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
    for (let round = 0; ; round += 1) {
      try {
        return await this.#json(path, { method: "POST", headers, body });
      } catch (problem) {
        const again = problem.status === 0 || RETRYABLE.has(problem.status);
        if (!again || round >= PAUSES.length) throw problem;
        await pause(problem.retryAfter ? problem.retryAfter * 1000 : PAUSES[round]);
      }
    }
  }

  cancel(deviceId, number) {
    return this.#json(`${commandPath(deviceId, number)}/cancel`, { method: "POST" });
  }

  command(deviceId, number) {
    return this.#json(commandPath(deviceId, number));
  }

  device(deviceId) {
    return this.#json(`/v1/devices/${encodeURIComponent(deviceId)}`);
  }

  /** The live stream's response, its body still open; `home`: somebody's, null for one's own. */
  async live(home, lastEventId, signal) {
    const headers = { Accept: "text/event-stream" };
    if (lastEventId) headers["Last-Event-ID"] = lastEventId;
    const path = home ? `/v1/live?${new URLSearchParams({ home })}` : "/v1/live";
    const response = await this.#fetch(path, { headers, signal });
    if (!response.ok) {
      throw this.#problem(response.status, await response.json().catch(() => ({})));
    }
    return response;
  }
}

const commandPath = (deviceId, number) =>
  `/v1/devices/${encodeURIComponent(deviceId)}/commands/${Number(number)}`;

export const pause = (milliseconds) =>
  new Promise((resume) => setTimeout(resume, milliseconds));
