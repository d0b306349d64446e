// Form parts for a device: each shows what was reported, marks what was asked for and is not yet
// reported, and calls `choose`. A part is `{ node, update() }`; `view()` gives
// `{ reported, wanted }`, either of them undefined when there is none.

import { el, mark, say } from "./dom.js";

const TYPING = 350; // arrow keys and repeated presses become one command

const sought = ({ reported, wanted }) => wanted !== undefined && wanted !== reported;

export function toggle({ label, view, choose }) {
  const knob = el("span", { class: "knob", "aria-hidden": "true" });
  const button = el("button", { type: "button", class: "switch", role: "switch", "aria-label": label }, knob);
  button.addEventListener("click", () => {
    const { reported, wanted } = view();
    choose(!(wanted ?? reported ?? false));
  });
  const node = el("div", { class: "row" }, el("span", {}, label), button);
  const update = () => {
    mark(button, "aria-checked", String(view().reported === true));
    mark(button, "data-sought", sought(view()));
    mark(button, "aria-busy", sought(view()));
  };
  return { node, update };
}

export function buttons({ label, options, choose, view }) {
  const all = options.map(([value, words]) =>
    el("button", { type: "button", "data-value": value, onclick: () => choose(value) }, words),
  );
  const node = el("div", { class: "segments", role: "group", "aria-label": label }, ...all);
  const update = () => {
    if (!view) return;
    const { reported, wanted } = view();
    for (const button of all) {
      const value = button.dataset.value;
      mark(button, "aria-pressed", String(value === reported));
      mark(button, "data-sought", value === wanted && wanted !== reported);
    }
  };
  return { node, update };
}

/** A number that is being chosen: shown at once as asked for, sent when the hand rests. */
function draft(choose) {
  let timer = null;
  const held = { value: undefined };
  held.set = (value) => {
    held.value = value;
    clearTimeout(timer);
    timer = null;
  };
  held.rest = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const value = held.value;
      held.value = undefined;
      choose(value);
    }, TYPING);
  };
  return held;
}

export function slider({ label, min, max, step = 1, look = "", words, view, choose }) {
  const held = draft(choose);
  const input = el("input", { type: "range", min, max, step, class: look, "aria-label": label });
  const value = el("output", {});
  const show = () => {
    const { reported, wanted = reported } = { ...view(), ...(held.value !== undefined && { wanted: held.value }) };
    const shown = wanted ?? min;
    if (Number(input.value) !== shown) input.value = shown;
    input.style.setProperty("--filled", `${((shown - min) / (max - min)) * 100}%`);
    const aim = sought({ reported, wanted });
    mark(input, "data-sought", aim);
    mark(input, "aria-valuetext", wanted === undefined ? "unknown" : words(wanted));
    const now = reported === undefined ? "unknown" : words(reported);
    say(value, aim ? `${now} → ${words(wanted)}` : now);
  };
  input.addEventListener("input", () => (held.set(Number(input.value)), show()));
  input.addEventListener("change", () => (held.set(Number(input.value)), held.rest(), show()));
  const head = el("div", { class: "row" }, el("span", {}, label), value);
  return { node: el("div", { class: "slider" }, head, input), update: show };
}

export function stepper({ label, min, max, step, words, view, choose }) {
  const held = draft(choose);
  const current = () => held.value ?? view().wanted ?? view().reported;
  const value = el("output", {});
  const less = el("button", { type: "button", "aria-label": `${label}: lower`, onclick: () => move(-step) }, "−");
  const more = el("button", { type: "button", "aria-label": `${label}: higher`, onclick: () => move(step) }, "+");
  const show = () => {
    const wanted = current();
    const aim = sought({ reported: view().reported, wanted });
    say(value, wanted === undefined ? "–" : words(wanted));
    mark(value, "data-sought", aim);
    mark(value, "title", aim ? "Asked for, not yet reported" : null);
    less.disabled = wanted === undefined || wanted <= min;
    more.disabled = wanted === undefined || wanted >= max;
  };
  const move = (by) => {
    held.set(Math.min(max, Math.max(min, current() + by)));
    held.rest();
    show();
  };
  const stepping = el("div", { class: "stepper", role: "group", "aria-label": label }, less, value, more);
  return { node: el("div", { class: "row" }, el("span", {}, label), stepping), update: show };
}

export function swatches({ label, options, view, choose, pick }) {
  const all = options.map(({ name, css, value }) => {
    const button = el("button", { type: "button", class: "swatch", "aria-label": name, title: name });
    button.style.setProperty("--swatch", css);
    button.addEventListener("click", () => choose(value));
    return [button, name];
  });
  const free = el("input", { type: "color", class: "swatch any", "aria-label": "Any colour", title: "Any colour" });
  free.addEventListener("change", () => choose(pick(free.value)));
  const list = el("div", { class: "swatches" }, ...all.map(([button]) => button), free);
  const node = el("div", { class: "colours", role: "group", "aria-label": label }, el("span", {}, label), list);
  const update = () => {
    const { reported, wanted } = view();
    for (const [button, name] of all) {
      mark(button, "aria-pressed", String(name === reported));
      mark(button, "data-sought", name === wanted && wanted !== reported);
    }
  };
  return { node, update };
}
