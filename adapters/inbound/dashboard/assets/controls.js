// A control for each capability, made from the commands that the device takes.

import { genericControls } from "./generic.js";
import { buttons, slider, stepper, swatches, toggle } from "./widgets.js";
import { celsius, colour, kelvin, level, percent } from "./words.js";

/**
 * All parts for a device. `port`: `can(command)`, `commands()`, `state(cluster)`, `limits(cluster)`,
 * `pending(cluster)` (the newest command not yet reported), `send(command, args, options)`,
 * `confirm(question, detail, yes)`.
 */
export function controlsFor(port) {
  const made = Object.values(CLUSTERS).flatMap((parts) => parts(port));
  const known = new Set([...Object.keys(WISHES), "OnOff.Toggle", "Thermostat.SetpointRaiseLower", "WindowCovering.StopMotion"]);
  return [...made, ...genericControls(port, known)];
}

/** What a pending command wants of a value, or undefined. */
const WISHES = {
  "OnOff.On": () => ({ on_off: true }),
  "OnOff.Off": () => ({ on_off: false }),
  "LevelControl.MoveToLevel": (args) => ({ current_level: args.level }),
  "ColorControl.MoveToColorTemperature": (args) => args,
  "ColorControl.MoveToHueAndSaturation": (args) => ({ current_hue: args.hue, current_saturation: args.saturation }),
  "Thermostat.WriteOccupiedHeatingSetpoint": (args) => ({ occupied_heating_setpoint: args.value }),
  "Thermostat.WriteOccupiedCoolingSetpoint": (args) => ({ occupied_cooling_setpoint: args.value }),
  "Thermostat.WriteSystemMode": (args) => ({ system_mode: args.value }),
  "DoorLock.LockDoor": () => ({ lock_state: "Locked" }),
  "DoorLock.UnlockDoor": () => ({ lock_state: "Unlocked" }),
  "WindowCovering.UpOrOpen": () => ({ current_position_lift_percent_100ths: 0 }),
  "WindowCovering.DownOrClose": () => ({ current_position_lift_percent_100ths: 10000 }),
  "WindowCovering.GoToLiftPercentage": (args) => ({
    current_position_lift_percent_100ths: args.lift_percent_100ths,
  }),
};

function wish(port, cluster) {
  const command = port.pending(cluster);
  return (command && WISHES[command.command]?.(command.args ?? {})) ?? {};
}

/** A view of one attribute, for a widget. */
const attribute = (port, cluster, name) => () => ({
  reported: port.state(cluster)[name] ?? undefined,
  wanted: wish(port, cluster)[name],
});

/** A newer command of the same kind takes the place of one that was not sent yet. */
const sender = (port, command, key = command.split(".")[0]) => (args = {}) =>
  port.send(command, args, { collapse_key: key });

function onOff(port) {
  if (!port.can("OnOff.On") || !port.can("OnOff.Off")) return [];
  const choose = (on) => sender(port, on ? "OnOff.On" : "OnOff.Off")();
  return [toggle({ label: "Power", view: attribute(port, "OnOff", "on_off"), choose })];
}

function levelControl(port) {
  if (!port.can("LevelControl.MoveToLevel")) return [];
  const { min_level: min = 1, max_level: max = 254 } = port.limits("LevelControl");
  const send = sender(port, "LevelControl.MoveToLevel");
  return [
    slider({
      label: "Brightness", min, max, words: level,
      view: attribute(port, "LevelControl", "current_level"),
      choose: (value) => send({ level: value }),
    }),
  ];
}

const COLOURS = [
  ["Red", 0], ["Orange", 21], ["Yellow", 42], ["Green", 85], ["Cyan", 127], ["Blue", 165],
  ["Purple", 190], ["Pink", 225],
].map(([name, hue]) => ({
  name, css: `hsl(${(hue / 254) * 360} 85% 55%)`, value: { hue, saturation: 230 },
}));

function colorControl(port) {
  const made = [];
  if (port.can("ColorControl.MoveToHueAndSaturation")) {
    const send = sender(port, "ColorControl.MoveToHueAndSaturation", "ColorControl.colour");
    const name = (of) => (of.current_hue == null ? undefined : colour(of.current_hue, of.current_saturation ?? 254));
    const view = () => ({ reported: name(port.state("ColorControl")), wanted: name(wish(port, "ColorControl")) });
    made.push(swatches({ label: "Colour", options: COLOURS, view, choose: send, pick: hueOf }));
  }
  if (port.can("ColorControl.MoveToColorTemperature")) made.push(whites(port));
  return made;
}

function whites(port) {
  const limits = port.limits("ColorControl");
  const send = sender(port, "ColorControl.MoveToColorTemperature", "ColorControl.white");
  return slider({
    label: "White", look: "whites", words: kelvin,
    min: limits.color_temp_physical_min_mireds ?? 153,
    max: limits.color_temp_physical_max_mireds ?? 500,
    view: () => {
      const { reported, wanted } = attribute(port, "ColorControl", "color_temperature_mireds")();
      return { reported: reported || undefined, wanted };
    },
    choose: (value) => send({ color_temperature_mireds: value }),
  });
}

/** `#rrggbb` → Matter's hue and saturation, 0-254 each. */
export function hueOf(hex) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
  const most = Math.max(red, green, blue);
  const spread = most - Math.min(red, green, blue);
  let sixth = 0;
  if (spread > 0 && most === red) sixth = ((green - blue) / spread + 6) % 6;
  else if (spread > 0 && most === green) sixth = (blue - red) / spread + 2;
  else if (spread > 0) sixth = (red - green) / spread + 4;
  return {
    hue: Math.round((sixth / 6) * 254),
    saturation: most === 0 ? 0 : Math.round((spread / most) * 254),
  };
}

function thermostat(port) {
  const setpoint = (label, verb, name, low, high) => {
    if (!port.can(`Thermostat.${verb}`)) return [];
    const send = sender(port, `Thermostat.${verb}`, `Thermostat.${name}`);
    const limits = port.limits("Thermostat");
    return [
      stepper({
        label, step: 50, words: celsius, min: limits[low] ?? 700, max: limits[high] ?? 3200,
        view: attribute(port, "Thermostat", name),
        choose: (value) => send({ value }),
      }),
    ];
  };
  return [
    ...setpoint("Heat to", "WriteOccupiedHeatingSetpoint", "occupied_heating_setpoint",
      "min_heat_setpoint_limit", "max_heat_setpoint_limit"),
    ...setpoint("Cool to", "WriteOccupiedCoolingSetpoint", "occupied_cooling_setpoint",
      "min_cool_setpoint_limit", "max_cool_setpoint_limit"),
    ...modes(port),
  ];
}

function modes(port) {
  if (!port.can("Thermostat.WriteSystemMode")) return [];
  const send = sender(port, "Thermostat.WriteSystemMode", "Thermostat.mode");
  const options = ["Off", "Heat", "Cool", "Auto"].map((mode) => [mode, mode]);
  const view = attribute(port, "Thermostat", "system_mode");
  return [buttons({ label: "Mode", options, view, choose: (value) => send({ value }) })];
}

function doorLock(port) {
  if (!port.can("DoorLock.LockDoor")) return [];
  const choose = async (state) => {
    if (state === "Locked") return sender(port, "DoorLock.LockDoor")();
    const sure = await port.confirm("Unlock the door?", "Anyone can open it until it is locked again.", "Unlock");
    return sure && sender(port, "DoorLock.UnlockDoor")();
  };
  const options = [["Locked", "Lock"], ["Unlocked", "Unlock"]].filter(
    ([state]) => state === "Locked" || port.can("DoorLock.UnlockDoor"),
  );
  return [buttons({ label: "Lock", options, choose, view: attribute(port, "DoorLock", "lock_state") })];
}

function windowCovering(port) {
  const verbs = [["UpOrOpen", "Open"], ["StopMotion", "Stop"], ["DownOrClose", "Close"]];
  const options = verbs.filter(([verb]) => port.can(`WindowCovering.${verb}`));
  const made = [];
  if (options.length) {
    const choose = (verb) => sender(port, `WindowCovering.${verb}`)();
    made.push(buttons({ label: "Blind", options, choose }));
  }
  if (port.can("WindowCovering.GoToLiftPercentage")) {
    const send = sender(port, "WindowCovering.GoToLiftPercentage");
    made.push(
      slider({
        label: "Closed", min: 0, max: 10000, step: 100,
        words: (value) => percent(Math.round(value / 100)),
        view: attribute(port, "WindowCovering", "current_position_lift_percent_100ths"),
        choose: (value) => send({ lift_percent_100ths: value }),
      }),
    );
  }
  return made;
}

const CLUSTERS = {
  OnOff: onOff,
  LevelControl: levelControl,
  ColorControl: colorControl,
  Thermostat: thermostat,
  DoorLock: doorLock,
  WindowCovering: windowCovering,
};
