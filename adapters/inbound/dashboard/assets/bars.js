// Simple horizontal bars, as inline SVG. The words beside them say the same for everybody.

import { el } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";

/** `bars`: `[label, value, words]`; the widest is `most`, else the largest value. */
export function barChart(title, bars, most = Math.max(...bars.map(([, value]) => value))) {
  const row = ([label, value, words]) => el("li", {},
    el("span", { class: "bar-label" }, label), bar(most > 0 ? value / most : 0),
    el("span", { class: "bar-words" }, words));
  return el("figure", { class: "chart" }, el("figcaption", {}, title), el("ul", {}, ...bars.map(row)));
}

function bar(part) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of [["aria-hidden", "true"], ["viewBox", "0 0 100 10"], ["preserveAspectRatio", "none"]]) {
    svg.setAttribute(name, value);
  }
  for (const [name, width] of [["rail", 100], ["value", Math.max(0, Math.min(1, part)) * 100]]) {
    const rect = document.createElementNS(SVG, "rect");
    rect.setAttribute("class", name);
    rect.setAttribute("width", String(width));
    rect.setAttribute("height", "10");
    svg.append(rect);
  }
  return svg;
}
