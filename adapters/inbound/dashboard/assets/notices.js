// What the page says by itself: toasts, outcomes for screen readers, a question.

import { byId, el, mark, say } from "./dom.js";

const TOAST_TIME = 9000;

/** A problem, or with `tone` "good" an outcome, for some seconds; it stays while pointed at. */
export function toast(words, tone = "bad") {
  const close = el("button", { type: "button", "aria-label": "Dismiss" }, "×");
  const node = el("div", { class: "toast", "data-tone": tone }, el("p", {}, words), close);
  let timer;
  const hold = () => clearTimeout(timer);
  const leave = () => {
    hold();
    timer = setTimeout(() => node.remove(), TOAST_TIME);
  };
  close.addEventListener("click", () => (hold(), node.remove()));
  for (const type of ["pointerenter", "focusin"]) node.addEventListener(type, hold);
  for (const type of ["pointerleave", "focusout"]) node.addEventListener(type, leave);
  byId("toasts").append(node);
  leave();
}

export function announce(words) {
  say(byId("announcer"), words);
}

/** Ask before something that matters; true when the answer is yes. */
export async function confirm(question, detail, yes) {
  return (await answerTo(question, detail, yes)) !== null;
}

/** The same, with a line to fill in, called `label`; null when the answer is no. */
export function ask(question, detail, yes, label) {
  return answerTo(question, detail, yes, label);
}

function answerTo(question, detail, yes, label = "") {
  const dialog = byId("confirm");
  const text = byId("confirm-text");
  say(byId("confirm-question"), question);
  say(byId("confirm-detail"), detail);
  say(byId("confirm-yes"), yes);
  say(byId("confirm-field").querySelector("label"), label);
  mark(byId("confirm-field"), "hidden", !label);
  text.required = Boolean(label);
  text.value = "";
  return new Promise((answer) => {
    const end = (value) => (dialog.close(), answer(value));
    byId("confirm-form").onsubmit = (event) => {
      event.preventDefault();
      if (!label || text.value.trim()) end(text.value.trim());
    };
    byId("confirm-no").onclick = () => end(null);
    dialog.oncancel = () => answer(null);
    // Comes late: the next question may be open by then.
    dialog.onclose = () => dialog.open || answer(null);
    dialog.showModal();
    // The first button would have the focus: fine for a question, in the way of a line to fill in.
    if (label) text.focus();
  });
}
