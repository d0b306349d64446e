// How the brokers are doing, a card each, and how they are asked.

import { arrange, el, mark, say } from "./dom.js";
import { facts } from "./facts.js";
import { share, when } from "./adwords.js";
import { duration, number } from "./words.js";

const STATUS = { ok: "OK", degraded: "Degraded", down: "Down", idle: "Idle" };
const TONES = { ok: "good", degraded: "warn", down: "bad", idle: "quiet" };
const KEYS = { url: "its whole address", path: "its address without parameters" };

/** `{ title, node, update(), look() }`. */
export function brokersView({ api }) {
  const list = el("ul", { class: "brokers" });
  const none = el("p", { class: "empty", hidden: true }, "No broker is configured yet.");
  const waiting = el("p", { class: "hint" }, "Loading…");
  const node = el("section", { "aria-label": "Broker health" }, waiting, none, list);
  const cards = new Map();
  let items = null;
  const update = () => {
    mark(waiting, "hidden", items !== null);
    mark(none, "hidden", items === null || items.length > 0);
    const shown = [...(items ?? [])].sort((one, other) => isRetired(one) - isRetired(other));
    arrange(list, shown.map((broker) => {
      if (!cards.has(broker.name)) cards.set(broker.name, card());
      cards.get(broker.name).update(broker);
      return cards.get(broker.name).node;
    }));
  };
  const look = async (signal) => {
    items = (await api.get("/v1/brokers", {}, signal)).items ?? [];
    update();
  };
  return { title: "Brokers", node, update, look };
}

const isRetired = ({ status }) => status === "RETIRED";

function card() {
  const name = el("h3", {});
  const badge = el("span", { class: "badge" });
  const retired = el("span", { class: "hint", hidden: true }, "Retired");
  const figures = el("dl", { class: "figures" });
  const error = el("p", { class: "problem" });
  const setup = el("div", {});
  const node = el("li", { class: "card broker" },
    el("header", { class: "row" }, name, retired, badge), figures, error,
    el("details", {}, el("summary", {}, "Configuration"), setup));
  let configured = "";
  const update = (broker) => {
    const health = broker.health ?? { status: "idle" };
    say(name, broker.name);
    say(badge, STATUS[health.status] ?? health.status);
    mark(badge, "data-tone", TONES[health.status] ?? "open");
    mark(node, "data-status", health.status);
    mark(node, "data-retired", isRetired(broker));
    retired.hidden = !isRetired(broker);
    badge.hidden = isRetired(broker);
    drawFigures(figures, health);
    const last = health.last_error;
    say(error, last ? `${last.text} (${when(last.at)})` : "");
    error.hidden = !last;
    const config = JSON.stringify([broker.config, broker.version]);
    if (config !== configured) arrange(setup, [configuration(broker)]);
    configured = config;
  };
  return { node, update };
}

/** Of the hour where it is known, else of what the rates are of. */
function figuresOf(health) {
  const hour = health.hour;
  const milliseconds = (value) => (value == null ? "–" : duration(value));
  const counted = hour
    ? [hour.requests ?? hour.fills + hour.no_ads + hour.timeouts + hour.errors, hour.fills, hour.timeouts, hour.errors]
    : ["fill_rate", "timeout_rate", "error_rate"].reduce(
      (all, rate) => [...all, Math.round((health[rate] ?? 0) * all[0])], [health.requests ?? 0]);
  const [requests, fills, timeouts, errors] = counted;
  const p95 = hour?.p95_ms ?? health.p95_ms;
  return [
    ["Requests", number(requests), ""],
    ["Fill rate", requests ? share(fills / requests) : "–", ""],
    ["Time-outs", number(timeouts), timeouts ? "bad" : ""],
    ["Errors", number(errors), errors ? "bad" : ""],
    ["p50", milliseconds(hour?.p50_ms ?? health.p50_ms), ""],
    ["p95", milliseconds(p95), p95 > 2000 ? "bad" : ""],
  ];
}

function drawFigures(list, health) {
  const figures = figuresOf(health);
  while (list.children.length < figures.length) list.append(el("div", {}, el("dt", {}), el("dd", {})));
  figures.forEach(([name, value, tone], at) => {
    const [term, said] = list.children[at].children;
    say(term, name);
    say(said, value);
    mark(said, "data-tone", tone || null);
  });
}

function configuration({ config, version }) {
  if (!config) return el("p", { class: "hint" }, "Not known.");
  const price = ({ match, value, cpm, currency }) =>
    el("li", {}, `${match === "any" ? "Any ad" : `${match.replace("_", " ")} “${value}”`}: ${cpm} ${currency} for 1,000`);
  const prices = config.prices ?? [];
  return facts([
    ["Address", config.url], ["Answers in", config.format?.toUpperCase()],
    ["Time for each document", config.time_limit_ms && duration(config.time_limit_ms)],
    ["Time in all", config.total_limit_ms && duration(config.total_limit_ms)],
    ["Wrappers", config.wrapper_depth != null ? `up to ${config.wrapper_depth}` : ""],
    ["A film without an id is known by", KEYS[config.key]], ["Slate", config.slate],
    ["Prices", prices.length ? el("ul", {}, ...prices.map(price)) : ""],
    ["Version", version != null ? String(version) : ""],
  ]);
}
