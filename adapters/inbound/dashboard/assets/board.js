// The transcoding board: what is under way, what is in trouble, what is ready.

import { READY, TROUBLE, UNDER_WAY, columnOf } from "./creatives.js";
import { arrange, el, icon, mark, say } from "./dom.js";
import { actButtons } from "./acts.js";
import {
  STATUS, errorWords, filmLength, lengthOf, originWords, retryWords, stageWords, titleOf, tone,
} from "./adwords.js";

const SHOWN = 60; // in a column; the catalogue has the rest
const COLUMNS = [
  ["way", "Under way", [...UNDER_WAY, "RELEASED"], "Nothing is being transcoded."],
  ["trouble", "Needs attention", TROUBLE, "No trouble."],
  ["ready", "Ready", READY, "Nothing is ready yet. Creatives appear here once an ad request has brought them."],
];

/** `{ title, node, update() }`. `creatives`: the store; `act(name, creative)`. */
export function boardView({ creatives, act }) {
  const columns = COLUMNS.map(([name, title, statuses, none]) =>
    column({ name, title, statuses, none, creatives, act }));
  const node = el("div", { class: "board" }, ...columns.map((one) => one.node));
  return {
    title: "Transcoding",
    node,
    update: () => columns.forEach((one) => one.update()),
  };
}

function column({ name, title, statuses, none, creatives, act }) {
  const count = el("span", { class: "count" });
  const kinds = el("p", { class: "kinds" });
  const list = el("ul", { class: "cards" });
  const empty = el("p", { class: "hint none", hidden: true }, none);
  const rest = el("a", { class: "rest", href: "#catalogue", hidden: true }, "All in the catalogue");
  const heading = el("h2", { id: `column-${name}` }, title, " ", count);
  const node = el("section", { class: "lane", "data-lane": name, "aria-labelledby": heading.id },
    el("header", {}, heading, kinds), list, empty, rest);
  const cards = new Map();
  const update = () => {
    const all = creatives.inColumn(name);
    const shown = all.slice(0, SHOWN);
    const more = creatives.hasMore(statuses);
    say(count, `${all.length}${more ? "+" : ""}`);
    say(kinds, kindsWords(all));
    const ids = new Set(shown.map((one) => one.id));
    for (const id of cards.keys()) if (!ids.has(id)) cards.delete(id);
    arrange(list, shown.map((one) => {
      if (!cards.has(one.id)) cards.set(one.id, card(name, creatives, act));
      cards.get(one.id).update(one);
      return cards.get(one.id).node;
    }));
    mark(empty, "hidden", all.length > 0 || !creatives.complete);
    mark(rest, "hidden", all.length <= SHOWN && !more);
  };
  return { node, update };
}

/** How many there are of each status, where there are several. */
function kindsWords(all) {
  const counts = new Map();
  for (const { status } of all) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [...counts].map(([status, many]) => `${many} ${STATUS[status]?.toLowerCase() ?? status}`).join(", ");
}

function card(name, creatives, act) {
  const picture = name === "ready" ? poster() : null;
  const title = el("a", { class: "name" });
  const origin = el("p", { class: "origin" });
  const badge = statusBadge();
  const part = name === "way" ? wayPart() : name === "trouble" ? troublePart() : readyPart(creatives);
  const buttons = actButtons(act);
  const node = el("li", { class: "card creative" },
    picture?.node,
    el("div", { class: "about" }, el("h3", {}, title), origin),
    badge.node, part.node, buttons.node);
  const update = (creative) => {
    mark(node, "data-creative", creative.id);
    say(title, titleOf(creative));
    mark(title, "href", `#creatives/${encodeURIComponent(creative.id)}`);
    say(origin, [originWords(creative), filmLength(lengthOf(creative))].filter(Boolean).join(" · "));
    badge.update(creative);
    picture?.update(creatives.renditionOf(creative)?.poster_url);
    part.update(creative);
    buttons.update(creative);
  };
  return { node, update };
}

export function statusBadge() {
  const node = el("span", { class: "badge" });
  const update = ({ status }) => {
    say(node, STATUS[status] ?? status);
    mark(node, "data-tone", tone(status));
  };
  return { node, update };
}

/** A still of the film; a symbol where there is none. */
export function poster() {
  const image = el("img", { alt: "", loading: "lazy", decoding: "async" });
  const node = el("div", { class: "poster" }, icon("film"), image);
  image.addEventListener("load", () => mark(image, "data-loaded", true));
  image.addEventListener("error", () => mark(image, "data-loaded", null));
  const update = (url) => {
    if (!url) mark(image, "data-loaded", null);
    mark(image, "src", url || null);
  };
  return { node, update };
}

function wayPart() {
  const words = el("span", {});
  const value = el("output", {});
  const bar = el("div", { class: "bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 },
    el("i", {}));
  const node = el("div", { class: "progress" }, el("div", { class: "row" }, words, value), bar);
  const update = (creative) => {
    const said = stageWords(creative);
    const known = creative.status === "PROGRESSING" && creative.progress;
    const part = known ? Math.min(100, Math.max(0, Math.round(creative.progress.percent))) : null;
    say(words, said);
    say(value, part === null ? "" : `${part} %`);
    mark(bar, "aria-label", `${titleOf(creative)}: ${said}`);
    mark(bar, "aria-valuenow", part);
    mark(bar, "data-unknown", part === null && creative.status === "PROGRESSING");
    bar.firstChild.style.setProperty("--part", `${part ?? 0}%`);
  };
  return { node, update };
}

function troublePart() {
  const why = el("p", { class: "problem" });
  const again = el("p", { class: "hint" });
  const node = el("div", { class: "troubled" }, why, again);
  const update = (creative) => {
    say(why, troubleWords(creative));
    const shown = creative.status !== "QUARANTINED" && creative.rendition;
    say(again, [retryWords(creative), shown && "What was ready before is still shown"].filter(Boolean).join(". "));
    again.hidden = !again.textContent;
  };
  return { node, update };
}

/** Why a creative is in trouble. */
export function troubleWords(creative) {
  if (creative.status === "QUARANTINED") {
    const error = errorWords(creative);
    const reason = creative.reason && creative.reason !== creative.error ? creative.reason : "";
    return [reason, error].filter(Boolean).join(". ") || "No reason was given";
  }
  if (creative.status === "CANCELED") return "Its job was canceled";
  return errorWords(creative) || "No reason is known";
}

function readyPart(creatives) {
  const node = el("p", { class: "hint" });
  const update = (creative) => {
    const rendition = creatives.renditionOf(creative);
    const other = creative.linked_to && creatives.get(creative.linked_to);
    const count = rendition?.rungs?.length;
    const sizes = count ? `${count} ${count === 1 ? "rung" : "rungs"}, up to ${rendition.rungs.at(-1).height}p` : "";
    // A linked one is as ready as what it is linked to.
    const but = other && columnOf(other) !== "ready" ? `, which is ${STATUS[other.status].toLowerCase()}` : "";
    const linked = creative.linked_to ? `Same film as ${other ? `“${titleOf(other)}”${but}` : "another creative"}` : "";
    say(node, linked || sizes);
  };
  return { node, update };
}
