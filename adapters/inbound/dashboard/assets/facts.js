// Facts, tables, addresses and form parts, as several views have them.

import { el } from "./dom.js";

/** Pairs, `[name, text or element]`; what is not known is left out. */
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("dl", { class: "facts" },
    ...known.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

/** A table in a frame of its own that scrolls sideways; `columns`: `[heading, isNumber]`. */
export function table(caption, columns, rows) {
  const cell = (value, at) => el("td", { class: columns[at][1] ? "number" : null }, value);
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    el("table", {},
      el("caption", { class: "unseen" }, caption),
      el("thead", {}, el("tr", {}, ...columns.map(([heading, isNumber]) =>
        el("th", { scope: "col", class: isNumber ? "number" : null }, heading)))),
      el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map(cell))))));
}

/** An address to look at and to take along. */
export function address(label, url) {
  const copy = el("button", { type: "button", class: "plain copy", "aria-label": `Copy: ${label}` }, "Copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(url);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Cannot copy";
    }
  });
  return el("span", { class: "address" },
    el("a", { href: url, rel: "noreferrer", target: "_blank" }, url), navigator.clipboard ? copy : null);
}

/** A form part under its name. */
export const field = (label, control) =>
  el("p", { class: "pick" }, el("label", { for: control.id }, label), control);
