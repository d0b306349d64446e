// What a person may do to a creative: asked about first where it matters, told how it went.

import { actsFor } from "./creatives.js";
import { arrange, el, mark } from "./dom.js";
import { ask, confirm, toast } from "./notices.js";
import { titleOf } from "./adwords.js";

const ACTS = {
  retry: { label: "Retry", done: "is tried again" },
  cancel: {
    label: "Cancel", done: "was canceled",
    sure: (title) => confirm(`Cancel the job of “${title}”?`,
      "What was rendered so far is lost. It can be retried later.", "Cancel the job"),
  },
  quarantine: {
    label: "Quarantine", done: "is quarantined",
    sure: (title) => ask(`Quarantine “${title}”?`,
      "No ad break shows it until it is released.", "Quarantine", "Reason"),
  },
  release: {
    label: "Release", done: "is released",
    sure: (title) => confirm(`Release “${title}”?`,
      "Ad breaks may show it again; what is missing is rendered.", "Release"),
  },
};

/** `act(name, creative)`; `told(answer)` gets the creative as the platform answers it, if it does. */
export function actsOf(api, told) {
  const sending = new Set(); // buttons are not disabled meanwhile: that would take their focus away
  return async (name, creative) => {
    const { done, sure } = ACTS[name];
    const title = titleOf(creative);
    const answer = sure ? await sure(title) : true;
    if (answer === null || answer === false) return;
    if (sending.has(creative.id)) return;
    sending.add(creative.id);
    const path = `/v1/creatives/${encodeURIComponent(creative.id)}/${name}`;
    try {
      const after = await api.post(path, name === "quarantine" ? { reason: answer } : undefined);
      toast(`“${title}” ${done}.`, "good");
      told(after?.status && after.id === creative.id ? after : null);
    } catch (problem) {
      if (problem.status === undefined) throw problem;
      toast(`“${title}”: ${ACTS[name].label.toLowerCase()} did not work. ${problem.words}`);
      told(null);
    } finally {
      sending.delete(creative.id);
    }
  };
}

/** The buttons of a creative: `{ node, update(creative) }`. */
export function actButtons(act) {
  const node = el("div", { class: "acts" });
  const all = new Map();
  let shown = null;
  const button = (name) => {
    const made = el("button", { type: "button", "data-act": name }, ACTS[name].label);
    made.addEventListener("click", () => act(name, shown));
    all.set(name, made);
    return made;
  };
  const update = (creative) => {
    shown = creative;
    const focused = node.contains(document.activeElement);
    arrange(node, actsFor(creative).map((name) => all.get(name) ?? button(name)));
    for (const [name, one] of all) mark(one, "aria-label", `${ACTS[name].label}: ${titleOf(creative)}`);
    // The button that was pressed may be gone: the next one takes the focus, not the page's top.
    if (focused && !node.contains(document.activeElement)) node.querySelector("button")?.focus();
  };
  return { node, update };
}
