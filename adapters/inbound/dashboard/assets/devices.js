// The devices as cards, grouped by what they are for.

import { columnsIn, spread } from "./columns.js";
import { timeline, wayView } from "./commands.js";
import { controlsFor } from "./controls.js";
import { arrange, el, icon, mark, say, showIcon } from "./dom.js";
import { KINDS, clock, kindWords, stateWords } from "./words.js";

const GROUPS = [
  ["Lights and plugs", ["on_off_light", "dimmable_light", "extended_color_light", "on_off_plug_in_unit"]],
  ["Climate, doors and windows", ["thermostat", "door_lock", "window_covering"]],
  ["Sensors", ["temperature_sensor", "humidity_sensor", "light_sensor", "occupancy_sensor", "contact_sensor"]],
  ["Other devices", []],
];
const groupOf = ({ kind }) => {
  const at = GROUPS.findIndex(([, kinds]) => kinds.includes(kind));
  return at < 0 ? GROUPS.length - 1 : at;
};

const PRESENCE = new Map([[true, "Online"], [false, "Offline"]]);

/** `actions`: `send(device, command, args, options)`, `cancel(command)`, `confirm(…)`. */
export class DeviceCards {
  #home;
  #actions;
  #place;
  #cards = new Map();
  #sections;
  #columns = 0;

  constructor(place, home, actions) {
    this.#place = place;
    this.#home = home;
    this.#actions = actions;
    this.#sections = GROUPS.map(([title], at) => {
      const heading = el("h2", { id: `group-${at}` }, title);
      const grid = el("div", { class: "grid" });
      return { grid, node: el("section", { class: "group", "aria-labelledby": heading.id }, heading, grid) };
    });
    new ResizeObserver(() => columnsIn(place) !== this.#columns && this.updateAll()).observe(place);
  }

  /** Everything: which cards there are, and what each shows. */
  updateAll() {
    const devices = [...this.#home.devices.values()].sort((one, other) => one.name.localeCompare(other.name));
    for (const id of this.#cards.keys()) if (!this.#home.devices.has(id)) this.#cards.delete(id);
    const count = columnsIn(this.#place);
    const filled = this.#sections.filter(({ grid }, at) => {
      const cards = devices.filter((device) => groupOf(device) === at).map((device) => this.#card(device));
      spread(grid, cards, count);
      return cards.length > 0;
    });
    this.#columns = count;
    arrange(this.#place, filled.map(({ node }) => node));
    for (const { id } of devices) this.update(id);
  }

  update(deviceId) {
    this.#cards.get(deviceId)?.update();
  }

  #card(device) {
    const shape = JSON.stringify([device.kind, device.commands, device.capabilities]);
    const known = this.#cards.get(device.id);
    if (known?.shape === shape) return known;
    const card = { ...deviceCard(device, this.#home, this.#actions), shape };
    this.#cards.set(device.id, card);
    return card;
  }
}

function deviceCard(first, home, actions) {
  const id = first.id;
  const device = () => home.devices.get(id);
  const head = header(id, first.kind);
  const state = el("p", { class: "state" });
  const old = el("p", { class: "hint old" });
  const parts = controlsFor(portOf(device, home, actions));
  const way = wayView(actions.cancel);
  const past = history(actions.cancel);
  const controls = el("div", { class: "controls" }, ...parts.map((part) => part.node));
  const node = el("article", { class: "card", "aria-labelledby": `name-${id}`, "data-device": id },
    head.node, state, old, controls, way.node, past.node);
  const update = () => {
    const now = device();
    if (!now) return;
    const commands = home.commandsOf(id);
    head.update(now);
    controls.hidden = parts.length === 0 || now.status === "LOST";
    drawState(state, old, now);
    for (const part of parts) part.update();
    way.update(commands[0], now.online);
    past.update(commands.slice(1));
    mark(node, "data-online", String(now.online ?? "unknown"));
    mark(node, "data-active", now.state.OnOff?.on_off === true || now.state.OccupancySensing?.occupied === true);
  };
  return { node, update, weight: 3 + parts.length * 1.5 };
}

function header(id, kind) {
  const picture = icon(KINDS[kind]?.[1] ?? "device");
  const name = el("h3", { id: `name-${id}` });
  const presence = el("span", { class: "said" });
  const node = el("header", {},
    el("span", { class: "picture" }, picture),
    el("div", { class: "title" }, name,
      el("p", { class: "presence" }, el("span", { class: "dot", "aria-hidden": "true" }), presence,
        el("span", { class: "kind" }, kindWords(kind)))));
  const update = (device) => {
    say(name, device.name);
    const lost = device.status === "LOST";
    say(presence, lost ? "Lost" : (PRESENCE.get(device.online) ?? "Unknown"));
    if (kind === "door_lock") {
      showIcon(picture, device.state.DoorLock?.lock_state === "Unlocked" ? "unlock" : "lock");
    }
  };
  return { node, update };
}

function drawState(state, old, device) {
  const [main = "Nothing reported yet", ...more] = stateWords(device);
  arrange(state, [...state.children].slice(0, 2));
  if (!state.children.length) state.append(el("strong", {}), el("span", {}));
  const [strong, rest] = state.children;
  say(strong, main);
  say(rest, more.join(" · "));
  mark(state, "data-unknown", stateWords(device).length === 0);
  const stale = device.online === false && device.reported_at;
  old.hidden = !stale;
  if (stale) say(old, `Last reported ${clock(device.reported_at)}`);
}

function history(cancel) {
  const list = el("ol", { class: "timeline" });
  const words = el("summary", {});
  const node = el("details", { class: "history" }, words, list);
  const draw = timeline(list, cancel);
  const update = (commands) => {
    node.hidden = commands.length === 0;
    say(words, commands.length === 1 ? "1 earlier command" : `${commands.length} earlier commands`);
    draw(commands);
  };
  return { node, update };
}

function portOf(device, home, actions) {
  const commands = () => device()?.commands ?? [];
  return {
    commands,
    can: (name) => commands().some((command) => command.name === name),
    state: (cluster) => device()?.state[cluster] ?? {},
    limits: (cluster) => device()?.capabilities?.find((one) => one.cluster === cluster) ?? {},
    pending: (cluster) => device() && home.pending(device().id, cluster),
    send: (name, args, options) => actions.send(device(), name, args, options),
    confirm: actions.confirm,
  };
}
