// Reports of the statistics: pick one and the days, see it as a table and, where it helps, as bars.

import { arrange, el, mark, say } from "./dom.js";
import { chartOf } from "./charts.js";
import { field, table } from "./facts.js";
import { share } from "./adwords.js";
import { duration, number, spaced } from "./words.js";

const DAY = 86_400_000;
const SHOWN = 500;
const NAMES = ["fill-rate", "completion", "revenue", "errors", "not-ready", "latency"];
const LABELS = { completion: "Completion funnel" };
const labelOf = (name) => LABELS[name] ?? spaced(name.replaceAll("-", "_"));
const dayOf = (time) => new Date(time).toISOString().slice(0, 10);

/** `{ title, node, update(), opened(path) }`; `path`: what follows `#reports/`. */
export function reportsView({ api, refused }) {
  const which = el("select", { id: "report" });
  const from = el("input", { type: "date", id: "from", required: true });
  const to = el("input", { type: "date", id: "to", required: true });
  const about = el("p", { class: "hint" });
  const said = el("p", { class: "hint", role: "status" });
  const place = el("div", { class: "report" });
  const titles = new Map(NAMES.map((name) => [name, ""]));
  const form = el("form", { class: "filters" },
    field("Report", which), field("From", from), field("To (UTC days)", to),
    el("button", { type: "submit", class: "primary" }, "Show"));
  const node = el("section", { "aria-label": "Reports" }, form, about, said, place);
  let round = 0;

  const options = () => {
    const chosen = which.value;
    which.replaceChildren(...[...titles.keys()].map((name) => el("option", { value: name }, labelOf(name))));
    which.value = titles.has(chosen) ? chosen : NAMES[0];
  };
  const choose = () => {
    history.replaceState(null, "", `#reports/${which.value}/${from.value}/${to.value}`);
    run();
  };
  form.addEventListener("submit", (event) => (event.preventDefault(), choose()));
  which.addEventListener("change", choose);

  async function run() {
    const mine = (round += 1);
    const name = which.value;
    say(about, titles.get(name) ?? "");
    say(said, "Counting…");
    mark(place, "aria-busy", true);
    try {
      const answer = await api.get(`/v1/reports/${encodeURIComponent(name)}`, { from: from.value, to: to.value });
      if (mine === round) draw(name, answer);
    } catch (problem) {
      if (mine !== round) return;
      place.replaceChildren();
      say(said, problem.words ?? String(problem));
      if (problem.status === 403) refused();
    } finally {
      if (mine === round) mark(place, "aria-busy", null);
    }
  }

  function draw(name, { columns = [], rows = [], truncated = false }) {
    const objects = rows.map((row) => Object.fromEntries(columns.map((column, at) => [column, row[at]])));
    const shown = rows.slice(0, SHOWN);
    const chart = chartOf(name, objects);
    const heads = columns.map((column, at) => [headingOf(column), rows.some((row) => typeof row[at] === "number")]);
    const cells = shown.map((row) => row.map((value, at) => cellWords(columns[at], value)));
    arrange(place, [chart, rows.length ? table(labelOf(name), heads, cells) : null].filter(Boolean));
    const more = truncated ? " There are more than the platform answers at once: ask for fewer days." : "";
    const cut = rows.length > SHOWN ? `, the first ${SHOWN} are shown` : "";
    const count = `${number(rows.length)} ${rows.length === 1 ? "row" : "rows"}${cut}.${more}`;
    say(said, rows.length ? count : "Nothing was counted on these days.");
  }

  async function list() {
    try {
      const { items } = await api.get("/v1/reports");
      for (const { name, title } of items ?? []) titles.set(name, title);
      options();
      say(about, titles.get(which.value) ?? "");
    } catch {
      // The usual ones can be had without the list.
    }
  }

  options();
  const opened = (path) => {
    const [name, first, last] = path.split("/");
    if (titles.has(name)) which.value = name;
    from.value = first || from.value || dayOf(Date.now() - 6 * DAY);
    to.value = last || to.value || dayOf(Date.now());
    run();
    if ([...titles.values()].some((title) => !title)) list();
  };
  return { title: "Reports", node, update: () => {}, opened };
}

const UNITS = / (ms)$/;
function headingOf(column) {
  const words = spaced(column).replace(UNITS, "");
  return words.replace("Ecpm", "eCPM");
}

/** A value as its column's name says: shares, times and money; texts stay as they are. */
function cellWords(column, value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (column.endsWith("_rate")) return share(value);
  if (column.endsWith("_ms")) return duration(value);
  if (column === "error_code") return String(value);
  return number(value, Number.isInteger(value) ? 0 : 2);
}
