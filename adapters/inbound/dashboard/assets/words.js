// Everything said to people: states and commands in words and units, times, outcomes.

export const number = (value, digits = 0) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

export const percent = (part) => `${number(part)} %`;
export const celsius = (hundredths) => `${number(hundredths / 100, 1)} °C`;
export const level = (value) => percent(Math.round((value / 254) * 100));
export const position = (hundredths) => {
  if (hundredths <= 50) return "Open";
  if (hundredths >= 9950) return "Closed";
  return `${percent(Math.round(hundredths / 100))} closed`;
};
export const kelvin = (mireds) => `${Math.round(1e6 / mireds / 50) * 50} K`;
const lux = (value) => (value === 0 ? "Dark" : `${number(10 ** ((value - 1) / 10_000))} lx`);

const HUES = [
  [10, "Red"], [32, "Orange"], [50, "Yellow"], [115, "Green"], [138, "Cyan"], [178, "Blue"],
  [205, "Purple"], [240, "Pink"], [255, "Red"],
];
export const colour = (hue, saturation) => {
  if (saturation < 20) return "White";
  return HUES.find(([below]) => hue < below)[1];
};

const LOCKS = { Locked: "Locked", Unlocked: "Unlocked", NotFullyLocked: "Not fully locked" };
const MODES = { Off: "Off", Heat: "Heating", Cool: "Cooling", Auto: "Automatic" };
const given = (value, words) => (value === null || value === undefined ? null : words(value));

/** Attributes of a cluster → what to say, most important first; null where nothing is known. */
const STATES = {
  OnOff: (state) => [given(state.on_off, (on) => (on ? "On" : "Off"))],
  LevelControl: (state) => [given(state.current_level, level)],
  ColorControl: (state) => [
    given(state.current_hue, (hue) => given(state.current_saturation, (part) => colour(hue, part))),
    given(state.color_temperature_mireds, (mireds) => (mireds ? kelvin(mireds) : null)),
  ],
  Thermostat: (state) => [given(state.local_temperature, celsius), MODES[state.system_mode]],
  DoorLock: (state) => [given(state.lock_state, (lock) => LOCKS[lock] ?? lock)],
  WindowCovering: (state) => [given(state.current_position_lift_percent_100ths, position)],
  TemperatureMeasurement: (state) => [given(state.measured_value, celsius)],
  RelativeHumidityMeasurement: (state) => [
    given(state.measured_value, (value) => percent(Math.round(value / 100))),
  ],
  IlluminanceMeasurement: (state) => [given(state.measured_value, lux)],
  OccupancySensing: (state) => [given(state.occupied, (someone) => (someone ? "Occupied" : "Nobody there"))],
  BooleanState: (state) => [given(state.state_value, (closed) => (closed ? "Closed" : "Open"))],
};

/** The reported state as a list of words, in the order of the device's capabilities. */
export function stateWords(device) {
  const clusters = (device.capabilities ?? []).map((one) => one.cluster);
  const known = clusters.length ? clusters : Object.keys(device.state);
  return known
    .filter((cluster) => device.state[cluster])
    .flatMap((cluster) => STATES[cluster]?.(device.state[cluster]) ?? other(device.state[cluster]))
    .filter(Boolean);
}

const other = (attributes) =>
  Object.entries(attributes).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`);

const SENTENCES = {
  "OnOff.On": () => "Turn on",
  "OnOff.Off": () => "Turn off",
  "OnOff.Toggle": () => "Switch over",
  "LevelControl.MoveToLevel": (args) => `Brightness ${level(args.level)}`,
  "ColorControl.MoveToHueAndSaturation": (args) => `Colour ${colour(args.hue, args.saturation).toLowerCase()}`,
  "ColorControl.MoveToColorTemperature": (args) => `White ${kelvin(args.color_temperature_mireds)}`,
  "Thermostat.SetpointRaiseLower": (args) =>
    `${args.amount < 0 ? "Lower" : "Raise"} by ${number(Math.abs(args.amount) / 10, 1)} °C`,
  "Thermostat.WriteOccupiedHeatingSetpoint": (args) => `Heat to ${celsius(args.value)}`,
  "Thermostat.WriteOccupiedCoolingSetpoint": (args) => `Cool to ${celsius(args.value)}`,
  "Thermostat.WriteSystemMode": (args) => `Mode ${(MODES[args.value] ?? args.value).toLowerCase()}`,
  "DoorLock.LockDoor": () => "Lock",
  "DoorLock.UnlockDoor": () => "Unlock",
  "WindowCovering.UpOrOpen": () => "Open",
  "WindowCovering.DownOrClose": () => "Close",
  "WindowCovering.StopMotion": () => "Stop",
  "WindowCovering.GoToLiftPercentage": (args) => `Move to ${position(args.lift_percent_100ths).toLowerCase()}`,
};

export function commandWords({ command = "Command", args }) {
  const known = SENTENCES[command];
  if (known && args) return known(args);
  return spaced(command.split(".").pop());
}

/** `MoveToLevel` → `Move to level`; `window_covering` → `Window covering`. */
export function spaced(name) {
  const words = name.replaceAll("_", " ").replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export const STATUS = {
  SENDING: "Sending…",
  ACCEPTED: "Accepted",
  SENT: "Sent",
  DELIVERED: "Received",
  IN_PROGRESS: "Working",
  SUCCEEDED: "Done",
  FAILED: "Failed",
  REJECTED: "Refused",
  TIMED_OUT: "No answer",
  EXPIRED: "Expired",
  CANCELED: "Canceled",
  SUPERSEDED: "Replaced",
};

/** Why a command is where it is, where that needs saying; empty otherwise. */
export function explanation(command, online) {
  const said = [command.error && spaced(command.error), command.detail].filter(Boolean).join(": ");
  const reasons = {
    ACCEPTED: online === false ? "Waits until the device is back" : "",
    IN_PROGRESS: command.progressDetail ?? "",
    FAILED: said || "The device could not do it",
    REJECTED: said || "The device would not do it",
    TIMED_OUT: "The device got it but did not answer in time",
    EXPIRED: "The device was not there in time, so it was never sent",
    CANCELED: "It was never sent",
    SUPERSEDED: "A newer command took its place before it was sent",
    SUCCEEDED: command.late ? "The answer came late" : "",
  };
  return reasons[command.status] ?? "";
}

/** Milliseconds → `48 ms`, `1.2 s`, `3 min`. */
export function duration(milliseconds) {
  const spent = Math.max(0, Math.round(milliseconds));
  if (spent < 1000) return `${spent} ms`;
  if (spent < 60_000) return `${number(spent / 1000, 1)} s`;
  return `${Math.round(spent / 60_000)} min`;
}

export function clock(at) {
  const time = new Date(at);
  const today = time.toDateString() === new Date().toDateString();
  const day = today ? {} : { day: "numeric", month: "short" };
  return time.toLocaleString([], { ...day, hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

export const KINDS = {
  on_off_light: ["Light", "light"],
  dimmable_light: ["Dimmable light", "light"],
  extended_color_light: ["Colour light", "light"],
  on_off_plug_in_unit: ["Plug", "plug"],
  thermostat: ["Thermostat", "thermostat"],
  door_lock: ["Door lock", "lock"],
  window_covering: ["Blind", "blind"],
  temperature_sensor: ["Temperature sensor", "temperature"],
  humidity_sensor: ["Humidity sensor", "humidity"],
  light_sensor: ["Light sensor", "sun"],
  occupancy_sensor: ["Motion sensor", "motion"],
  contact_sensor: ["Contact sensor", "contact"],
};

export const kindWords = (kind) => KINDS[kind]?.[0] ?? spaced(kind ?? "device");
