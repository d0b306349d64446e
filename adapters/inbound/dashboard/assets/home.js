// What is known of the home: devices and commands, as the platform told. Holds no wishes: what a
// person asked for is a command, and only a report changes a device's state.

const KEPT_PER_DEVICE = 30;
const SETTLING = 800; // a result may be some milliseconds ahead of the report that follows it

export const FINAL = new Set([
  "SUCCEEDED", "FAILED", "REJECTED", "TIMED_OUT", "EXPIRED", "CANCELED", "SUPERSEDED",
]);

export const isOpen = (command) => !FINAL.has(command.status);

export class Home {
  devices = new Map();
  commands = new Map();
  complete = false;
  #listeners = new Set();

  /** `listener({ deviceId, command, ended })`; `deviceId` null: everything may have changed. */
  subscribe(listener) {
    this.#listeners.add(listener);
  }

  #tell(change) {
    for (const listener of this.#listeners) listener({ deviceId: null, ...change });
  }

  // --- from the live stream -----------------------------------------------------------------

  take(type, data) {
    const takers = {
      snapshot: () => this.#snapshot(data),
      device: () => this.#device(data),
      presence: () => this.#presence(data),
      twin: () => this.#twin(data),
      command: () => this.takeCommand(data),
      progress: () => this.#progress(data),
    };
    takers[type]?.();
  }

  #snapshot({ devices = [], commands = [] }) {
    const before = this.commands;
    const sending = [...before.values()].filter((command) => command.status === "SENDING");
    this.devices = new Map(devices.map((device) => [device.id, { ...device, state: device.state ?? {} }]));
    this.commands = new Map(sending.map((command) => [command.id, command]));
    for (const command of commands) {
      this.#mergeCommand({ ...command, own: before.get(command.id)?.own });
    }
    this.complete = true;
    this.#tell({});
  }

  #device(data) {
    const id = data.id ?? data.device_id;
    const known = this.devices.get(id);
    if (data.status === "RELEASED") {
      this.devices.delete(id);
      this.#tell({});
    } else if (known || data.kind) {
      const state = { ...known?.state, ...data.state };
      this.devices.set(id, { ...known, ...data, id, state });
      this.#tell(known ? { deviceId: id } : {});
    }
  }

  #presence({ device_id: id, online }) {
    const device = this.devices.get(id);
    if (!device || device.online === online) return;
    this.devices.set(id, { ...device, online });
    this.#tell({ deviceId: id });
  }

  #twin({ device_id: id, state, reported_at: at }) {
    const device = this.devices.get(id);
    if (!device) return;
    const merged = { ...device.state };
    for (const [cluster, attributes] of Object.entries(state ?? {})) {
      merged[cluster] = { ...merged[cluster], ...attributes };
    }
    this.devices.set(id, { ...device, state: merged, reported_at: at ?? new Date().toISOString() });
    this.#tell({ deviceId: id });
  }

  #progress({ device_id: id, number, percent, detail }) {
    const command = this.commands.get(`${id}.${number}`);
    if (!command || !isOpen(command)) return;
    this.commands.set(command.id, { ...command, percent, progressDetail: detail });
    this.#tell({ deviceId: id });
  }

  // --- commands -----------------------------------------------------------------------------

  /** A command pressed here, before the platform has answered. */
  sending(key, deviceId, name, args) {
    const at = new Date().toISOString();
    const command = {
      id: key, key, device_id: deviceId, number: Infinity, command: name, args, status: "SENDING",
      step: 0, accepted_at: at, history: [],
    };
    this.commands.set(key, command);
    this.#tell({ deviceId });
  }

  notSent(key) {
    const command = this.commands.get(key);
    this.commands.delete(key);
    if (command) this.#tell({ deviceId: command.device_id });
  }

  /** The answer to a submit: takes the place of what was shown as being sent. */
  accepted(key, command) {
    const mine = this.commands.get(key) ?? this.commands.get(command.id);
    this.commands.delete(key);
    this.takeCommand({ ...command, own: true, pressed_at: mine?.accepted_at });
  }

  takeCommand(data) {
    const id = data.id ?? `${data.device_id}.${data.number}`;
    const before = this.commands.get(id);
    if (!before) this.#adopt(data);
    const command = this.#mergeCommand({ ...data, id });
    const ended = !isOpen(command) && (!before || isOpen(before));
    if (ended) this.#settle(command);
    this.#tell({ deviceId: command.device_id, command, ended });
  }

  /** The stream may be faster than the answer to the submit: do not show the command twice. */
  #adopt(data) {
    for (const [key, mine] of this.commands) {
      const same = mine.device_id === data.device_id && mine.command === data.command;
      if (mine.status === "SENDING" && same) {
        this.commands.delete(key);
        data.own = true;
        return;
      }
    }
  }

  #mergeCommand(data) {
    const known = this.commands.get(data.id);
    const history = mergeHistory(known, data);
    const ahead = !known || (data.step ?? 0) >= (known.step ?? 0);
    const command = ahead ? { ...known, ...data, history } : { ...data, ...known, history };
    command.own = Boolean(known?.own || data.own);
    command.accepted_at ??= history[0]?.at ?? data.at;
    this.commands.set(command.id, command);
    this.#forgetOld(command.device_id);
    return command;
  }

  #forgetOld(deviceId) {
    for (const old of this.commandsOf(deviceId).slice(KEPT_PER_DEVICE)) {
      if (!isOpen(old)) this.commands.delete(old.id);
    }
  }

  #settle(command) {
    if (command.status !== "SUCCEEDED") return;
    command.settled_at = Date.now() + SETTLING;
    setTimeout(() => this.#tell({ deviceId: command.device_id }), SETTLING + 10);
  }

  /** Newest first. */
  commandsOf(deviceId) {
    return this.allCommands().filter((command) => command.device_id === deviceId);
  }

  allCommands() {
    return [...this.commands.values()].sort(newestFirst);
  }

  /** The newest command of a cluster whose effect is still to be reported. */
  pending(deviceId, cluster) {
    return this.commandsOf(deviceId).find(
      (command) =>
        command.command?.startsWith(`${cluster}.`) &&
        (isOpen(command) || (command.settled_at ?? 0) > Date.now()),
    );
  }
}

function newestFirst(one, other) {
  if (one.device_id === other.device_id && one.number !== other.number) {
    return other.number > one.number ? 1 : -1;
  }
  return Date.parse(other.accepted_at) - Date.parse(one.accepted_at);
}

function mergeHistory(known, data) {
  const steps = new Map((known?.history ?? []).map((one) => [one.step, one]));
  for (const one of data.history ?? []) steps.set(one.step, one);
  if (data.step && data.at && !steps.has(data.step)) {
    steps.set(data.step, { step: data.step, status: data.status, at: data.at });
  }
  return [...steps.values()].sort((one, other) => one.step - other.step);
}

/** Whether the live stream, which may lose messages, left a hole in what is known. */
export const hasGap = (command) => command.history.length < (command.step ?? 0);
