// What the page says by itself: toasts for problems, outcomes for screen readers, a question.

import { byId, el, say } from "./dom.js";

const TOAST_TIME = 9000;

/** A problem, shown for some seconds; it stays while pointed at or focused. */
export function toast(words) {
  const close = el("button", { type: "button", "aria-label": "Dismiss" }, "×");
  const node = el("div", { class: "toast" }, el("p", {}, words), close);
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
export function confirm(question, detail, yes) {
  const dialog = byId("confirm");
  say(byId("confirm-question"), question);
  say(byId("confirm-detail"), detail);
  say(byId("confirm-yes"), yes);
  return new Promise((answer) => {
    byId("confirm-yes").onclick = () => dialog.close("yes");
    byId("confirm-no").onclick = () => dialog.close("no");
    dialog.onclose = () => answer(dialog.returnValue === "yes");
    dialog.returnValue = "";
    dialog.showModal();
  });
}
