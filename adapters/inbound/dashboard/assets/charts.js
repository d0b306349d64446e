// What is drawn above a report's table: sums over its rows, or nothing where that says nothing.

import { barChart } from "./bars.js";
import { share } from "./adwords.js";
import { duration, number } from "./words.js";

const MOST_BARS = 12;
const FUNNEL = [["impressions", "Impressions"], ["starts", "Starts"], ["first_quartiles", "First quarter"],
  ["midpoints", "Half"], ["third_quartiles", "Three quarters"], ["completes", "To the end"]];

/** A chart for the rows of a report, each an object by column; null where there is none. */
export function chartOf(name, rows) {
  const made = rows.length ? CHARTS[name]?.(rows) : null;
  return made && made.bars.length ? barChart(made.title, made.bars.slice(0, MOST_BARS), made.most) : null;
}

/** Sums of `columns` by `key(row)`, largest of the first column first. */
function sums(rows, key, columns) {
  const all = new Map();
  for (const row of rows) {
    const sum = all.get(key(row)) ?? columns.map(() => 0);
    all.set(key(row), sum.map((value, at) => value + (Number(row[columns[at]]) || 0)));
  }
  return [...all].sort(([, one], [, other]) => other[0] - one[0]);
}

const money = (value, currency) =>
  `${number(value, 2)}${currency ? ` ${currency}` : ""}`;

/** Only one currency can be drawn: that of most rows. */
function byCurrency(rows, key, column) {
  const currency = sums(rows, (row) => row.currency ?? "", [column])[0][0];
  const own = rows.filter((row) => (row.currency ?? "") === currency);
  return sums(own, key, [column]).filter(([, [value]]) => value > 0)
    .map(([label, [value]]) => [label || "unknown", value, money(value, currency)]);
}

const CHARTS = {
  "fill-rate": (rows) => ({
    title: "Slots filled, by broker",
    most: 1,
    bars: sums(rows, (row) => row.broker, ["slots", "filled"])
      .filter(([, [slots]]) => slots > 0)
      .map(([broker, [slots, filled]]) => [broker, filled / slots, share(filled / slots)]),
  }),
  completion: (rows) => {
    const [[, found]] = sums(rows, () => "", FUNNEL.map(([column]) => column));
    const most = found[0] || Math.max(...found);
    return {
      title: "From impression to the end",
      most,
      bars: FUNNEL.map(([, label], at) => [label, found[at],
        `${number(found[at])}${most ? ` · ${share(found[at] / most)}` : ""}`]),
    };
  },
  revenue: (rows) => ({ title: "Revenue by broker", bars: byCurrency(rows, (row) => row.broker, "revenue") }),
  errors: (rows) => ({
    title: "Errors by VAST code",
    bars: sums(rows, (row) => String(row.error_code), ["errors"])
      .map(([code, [errors]]) => [code, errors, number(errors)]),
  }),
  "not-ready": (rows) => ({
    title: "Ads skipped because their film was not ready, by broker",
    bars: sums(rows, (row) => row.broker, ["skipped"])
      .map(([broker, [skipped]]) => [broker, skipped, number(skipped)]),
  }),
  readiness: (rows) => ({
    title: "From first sight to ready, p95 by day",
    bars: rows.map((row) => [row.day, row.p95_ms ?? 0, duration(row.p95_ms ?? 0)]),
  }),
  latency: (rows) => ({
    title: "Answers of brokers, p95",
    bars: rows.map((row) => [row.broker, row.p95_ms ?? 0, duration(row.p95_ms ?? 0)]),
  }),
  reach: (rows) => ({
    title: "Viewers by campaign",
    bars: sums(rows, (row) => row.campaign, ["viewers"])
      .map(([campaign, [viewers]]) => [campaign || "unknown", viewers, number(viewers)]),
  }),
  "failing-creatives": (rows) => ({
    title: "Errors by creative",
    bars: sums(rows, (row) => row.creative_id, ["errors"])
      .map(([id, [errors]]) => [id, errors, number(errors)]),
  }),
};
