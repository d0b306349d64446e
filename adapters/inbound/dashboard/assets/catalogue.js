// The catalogue: all creatives in a table, to be searched and sorted.

import { STATUSES } from "./creatives.js";
import { arrange, el, mark, say } from "./dom.js";
import { field } from "./facts.js";
import { statusBadge } from "./board.js";
import { STATUS, filmLength, lengthOf, titleOf, when } from "./adwords.js";

const SHOWN = 500;
const COLUMNS = [
  ["Title", (one) => titleOf(one).toLowerCase()],
  ["Advertiser", (one) => (one.ad?.advertiser ?? "").toLowerCase()],
  ["Broker", (one) => one.broker ?? ""],
  ["Length", (one) => lengthOf(one) ?? 0],
  ["Status", (one) => STATUSES.indexOf(one.status)],
  ["First seen", (one) => Date.parse(one.discovered_at)],
];

/** What a search looks at. */
const textOf = ({ id, identity, broker, media_url: url, ad = {} }) =>
  [id, identity, broker, url, ...Object.values(ad)].join("\n").toLowerCase();

/** `{ title, node, update(), opened() }`; `loadAll()` asks for what is on further pages. */
export function catalogueView({ creatives, loadAll }) {
  const search = el("input", { type: "search", id: "search", placeholder: "Title, advertiser, broker, id…" });
  const status = el("select", { id: "status" }, el("option", { value: "" }, "Any status"),
    ...STATUSES.map((one) => el("option", { value: one }, STATUS[one])));
  const found = el("p", { class: "hint", role: "status" });
  const body = el("tbody", {});
  const rows = new Map();
  let order = [COLUMNS.length - 1, -1];
  const heads = COLUMNS.map(([name], at) => {
    const turn = () => (order = order[0] === at ? [at, -order[1]] : [at, 1]);
    return el("th", { scope: "col", class: name === "Length" ? "number" : null },
      el("button", { type: "button", class: "sort", onclick: () => (turn(), update()) }, name));
  });
  const node = el("section", { "aria-label": "Ad catalogue" },
    el("form", { class: "filters", role: "search" }, field("Search", search), field("Status", status)),
    found,
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Creatives" },
      el("table", { class: "catalogue" }, el("thead", {}, el("tr", {}, ...heads)), body)));
  node.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  search.addEventListener("input", () => update());
  status.addEventListener("change", () => update());

  function update() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const all = creatives.all().filter((one) => !status.value || one.status === status.value)
      .filter((one) => words.every((word) => textOf(one).includes(word)));
    const [by, direction] = order;
    const key = COLUMNS[by][1];
    all.sort((one, other) => direction * (key(one) < key(other) ? -1 : Number(key(one) > key(other))));
    const shown = all.slice(0, SHOWN);
    arrange(body, shown.map((one) => {
      if (!rows.has(one.id)) rows.set(one.id, row());
      rows.get(one.id).update(one);
      return rows.get(one.id).node;
    }));
    heads.forEach((head, at) =>
      mark(head, "aria-sort", at === by ? (direction > 0 ? "ascending" : "descending") : null));
    const more = all.length > SHOWN ? `, the first ${SHOWN} are shown` : "";
    say(found, creatives.complete ? `${all.length} ${all.length === 1 ? "creative" : "creatives"}${more}` : "Loading…");
  }
  return { title: "Catalogue", node, update, opened: loadAll };
}

function row() {
  const title = el("a", {});
  const badge = statusBadge();
  const cells = { advertiser: el("td", {}), broker: el("td", {}), length: el("td", { class: "number" }) };
  const first = el("time", {});
  const node = el("tr", {}, el("th", { scope: "row" }, title), cells.advertiser, cells.broker,
    cells.length, el("td", {}, badge.node), el("td", {}, first));
  const update = (creative) => {
    say(title, titleOf(creative));
    mark(title, "href", `#creatives/${encodeURIComponent(creative.id)}`);
    say(cells.advertiser, creative.ad?.advertiser ?? "");
    say(cells.broker, creative.broker ?? "pre-ingest");
    say(cells.length, filmLength(lengthOf(creative)));
    badge.update(creative);
    say(first, when(creative.discovered_at));
    mark(first, "datetime", creative.discovered_at);
  };
  return { node, update };
}
