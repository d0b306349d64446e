// A remote command's way, step by step with its times, and lists of commands.

import { arrange, el, mark, say } from "./dom.js";
import { isOpen } from "./home.js";
import { STATUS, clock, commandWords, duration, explanation } from "./words.js";

const TONES = {
  SUCCEEDED: "good", FAILED: "bad", REJECTED: "bad", TIMED_OUT: "bad", EXPIRED: "bad",
  CANCELED: "quiet", SUPERSEDED: "quiet",
};
const tone = (status) => TONES[status] ?? "open";

/** Steps to draw: those made, then those that an ordinary command still has before it. */
function steps(command) {
  const start = Date.parse(command.history[0]?.at ?? command.accepted_at);
  const made = command.history
    .filter((step, at, all) => at === 0 || step.status !== all[at - 1].status)
    .map(({ status, at }, index) => ({
      status, made: true, time: index === 0 ? "" : duration(Date.parse(at) - start),
    }));
  if (command.status === "SENDING") made.push({ status: "SENDING", made: true, time: "" });
  if (!isOpen(command)) return made;
  const ahead = command.status === "SENDING" ? ["SENT", "SUCCEEDED"]
    : command.status === "ACCEPTED" ? ["SENT", "SUCCEEDED"] : ["SUCCEEDED"];
  return [...made, ...ahead.map((status) => ({ status, made: false, time: "" }))];
}

function stepWords(step, command) {
  const working = step.status === "IN_PROGRESS" && command.status === "IN_PROGRESS";
  if (working && Number.isFinite(command.percent)) return `${command.percent} %`;
  return STATUS[step.status] ?? step.status;
}

/** The latest command of a device: `{ node, update(command, online) }`. */
export function wayView(cancel) {
  const title = el("span", { class: "what" });
  const button = cancelButton(() => cancel(shown));
  const list = el("ol", { class: "steps" });
  const why = el("p", { class: "why" });
  const node = el("section", { class: "way", "aria-label": "Latest command" },
    el("div", { class: "row" }, title, button), list, why);
  let shown = null;
  const update = (command, online) => {
    shown = command;
    node.hidden = !command;
    if (!command) return;
    say(title, commandWords(command));
    offerCancel(button, command);
    drawSteps(list, steps(command), command);
    const reason = explanation(command, online);
    say(why, reason);
    why.hidden = !reason;
    mark(node, "data-tone", tone(command.status));
    mark(node, "data-status", command.status);
  };
  return { node, update };
}

function drawSteps(list, drawn, command) {
  while (list.children.length < drawn.length) {
    list.append(el("li", {}, el("span", { class: "step" }), el("span", { class: "time" })));
  }
  arrange(list, [...list.children].slice(0, drawn.length));
  drawn.forEach((step, at) => {
    const [words, time] = list.children[at].children;
    say(words, stepWords(step, command));
    say(time, step.time);
    mark(list.children[at], "data-made", step.made);
    mark(list.children[at], "aria-hidden", step.made ? null : "true");
    mark(list.children[at], "data-tone", step.made ? tone(step.status) : null);
  });
}

/** A list of commands, newest first: `update(commands)`; `nameOf` names the device, if wanted. */
export function timeline(list, cancel, nameOf = null) {
  const rows = new Map();
  return (commands) => {
    const wanted = new Set(commands.map((command) => command.id));
    for (const id of rows.keys()) if (!wanted.has(id)) rows.delete(id);
    arrange(list, commands.map((command) => {
      if (!rows.has(command.id)) rows.set(command.id, row(cancel, nameOf));
      const { node, update } = rows.get(command.id);
      update(command);
      return node;
    }));
  };
}

function row(cancel, nameOf) {
  let shown = null;
  const time = el("time", {});
  const what = el("span", { class: "what" });
  const outcome = el("span", { class: "outcome" });
  const why = el("p", { class: "why" });
  const button = cancelButton(() => cancel(shown));
  const node = el("li", {}, what, time, outcome, button, why);
  const update = (command) => {
    shown = command;
    const words = commandWords(command);
    say(time, clock(command.accepted_at));
    mark(time, "datetime", command.accepted_at);
    say(what, nameOf ? `${nameOf(command.device_id)}: ${words}` : words);
    say(outcome, outcomeWords(command));
    mark(outcome, "data-tone", tone(command.status));
    offerCancel(button, command);
    const reason = isOpen(command) ? "" : explanation(command);
    say(why, reason);
    why.hidden = !reason;
  };
  return { node, update };
}

const cancelButton = (onclick) =>
  el("button", { type: "button", class: "plain cancel", onclick }, "Cancel");

function offerCancel(button, command) {
  button.hidden = command.status !== "ACCEPTED";
  mark(button, "aria-label", `Cancel: ${commandWords(command)}`);
}

function outcomeWords(command) {
  const words = STATUS[command.status] ?? command.status;
  const { history } = command;
  if (isOpen(command) || history.length < 2) return words;
  return `${words} · ${duration(Date.parse(history.at(-1).at) - Date.parse(history[0].at))}`;
}
