// One creative in full: its film to look at, what it was made from and into, and its history.

import { arrange, el, mark, say } from "./dom.js";
import { actButtons } from "./acts.js";
import { statusBadge, troubleWords } from "./board.js";
import { columnOf } from "./creatives.js";
import { address, facts, table } from "./facts.js";
import { player } from "./player.js";
import {
  bitRate, bytes, filmLength, frameRate, originWords, retryWords, stageWords, stepWords, titleOf,
  webAddress, when, STATUS,
} from "./adwords.js";

/** `{ title, node, update() }`. */
export function creativeView({ id, creatives, act }) {
  const title = el("h2", { class: "film-title" });
  const origin = el("p", { class: "origin" });
  const badge = statusBadge();
  const now = el("p", { class: "now" });
  const buttons = actButtons(act);
  const film = player();
  const made = (...all) => all.map(([name, make]) => part(name, make, creatives));
  const [wide, narrow] = [made(["Rendition", renditionFacts], ["Same film", links], ["History", history]),
    made(["Ad", adFacts], ["Original", sourceFacts])];
  const parts = [...wide, ...narrow];
  const body = el("div", { class: "detail", hidden: true },
    el("header", { class: "film-head" },
      el("div", {}, title, origin), badge.node, now, buttons.node),
    el("div", { class: "side" },
      el("section", { class: "part", "aria-label": "Preview" }, film.node), ...wide.map((one) => one.node)),
    el("div", { class: "side" }, ...narrow.map((one) => one.node)));
  const missing = el("p", { class: "empty", hidden: true }, "There is no such creative.");
  const waiting = el("p", { class: "hint" }, "Looking it up…");
  const node = el("div", {}, el("a", { class: "back", href: "#board" }, "← Transcoding"), waiting, missing, body);
  const view = { title: "Creative", node, id, missing: false };
  view.update = () => {
    const creative = creatives.get(id);
    mark(body, "hidden", !creative);
    mark(missing, "hidden", !(view.missing && !creative));
    mark(waiting, "hidden", Boolean(creative) || view.missing);
    if (!creative) return;
    view.title = titleOf(creative);
    say(title, view.title);
    say(origin, originWords(creative));
    badge.update(creative);
    say(now, nowWords(creative));
    mark(now, "data-lane", columnOf(creative));
    now.hidden = !now.textContent;
    buttons.update(creative);
    film.update(creatives.renditionOf(creative), view.title);
    for (const one of parts) one.update(creative);
  };
  return view;
}

function nowWords(creative) {
  const column = columnOf(creative);
  if (column === "ready") return "";
  if (column === "trouble") {
    return [troubleWords(creative), retryWords(creative)].filter(Boolean).join(". ");
  }
  const percent = creative.progress?.percent;
  const part = Number.isFinite(percent) && creative.status === "PROGRESSING" ? `: ${Math.round(percent)} %` : "";
  return stageWords(creative) + part;
}

/** Made anew only when what it shows has changed, so that selected text and focus stay. */
function part(name, make, creatives) {
  const place = el("div", {});
  const node = el("section", { class: "part", "aria-label": name }, el("h3", {}, name), place);
  let shown = "";
  const update = (creative) => {
    const { nodes, state } = make(creative, creatives);
    const next = JSON.stringify(state);
    if (next === shown) return;
    shown = next;
    const made = nodes();
    node.hidden = made.length === 0;
    arrange(place, made);
  };
  return { node, update };
}

function adFacts(creative) {
  const { ad = {}, broker, kind, identity, media_url: url, discovered_at: first, ready_at: ready, id } = creative;
  const known = kind === "registered" ? "Registered id" : "Address of its film";
  const film = webAddress(url);
  return {
    state: [ad, broker, kind, identity, url, first, ready],
    nodes: () => [facts([
      ["Title", ad.title], ["Advertiser", ad.advertiser], ["Campaign", ad.campaign],
      ["Ad", ad.ad_id], ["Ad system", ad.ad_system], ["Sold as", filmLength(ad.duration_ms)],
      ["Brought by", broker ?? "pre-ingest"], [known, identity],
      ["Came from", film ? el("a", { href: film, rel: "noreferrer", target: "_blank" }, url) : url],
      ["First seen", when(first)], ["Ready since", when(ready)], ["Creative", el("code", {}, id)],
    ])],
  };
}

function sourceFacts({ source, size, content }) {
  if (!source) return { state: null, nodes: () => [el("p", { class: "hint" }, "It has not been fetched yet.")] };
  const traits = [source.interlaced && "interlaced", source.hdr && "high dynamic range",
    source.rotation && `turned by ${source.rotation}°`].filter(Boolean).join(", ");
  return {
    state: [source, size, content],
    nodes: () => [facts([
      ["Picture", `${source.width} × ${source.height}`], ["Length", filmLength(source.duration_ms)],
      ["Frame rate", source.frame_rate && frameRate(source.frame_rate)], ["Video", source.video_codec],
      ["Sound", source.audio_codec ?? "none, silence is added"],
      ["Peculiarities", traits], ["Container", source.container],
      ["Bit rate", source.bit_rate ? bitRate(source.bit_rate) : ""], ["Size", size ? bytes(size) : ""],
      ["Content", content && el("code", { title: "SHA-256" }, content.slice(0, 16))],
    ])],
  };
}

const RUNGS = [["Picture"], ["Peak", true], ["Mean", true], ["Frame rate", true], ["Codecs"]];

function renditionFacts(creative, creatives) {
  const rendition = creatives.renditionOf(creative);
  if (!rendition) return { state: null, nodes: () => [el("p", { class: "hint" }, "Nothing is rendered yet.")] };
  const shared = !creative.rendition;
  const rows = (rendition.rungs ?? []).map((rung) => [`${rung.width} × ${rung.height}`,
    bitRate(rung.bandwidth), bitRate(rung.average_bandwidth), frameRate(rung.frame_rate), rung.codecs]);
  const [hls, dash] = [webAddress(rendition.hls_url), webAddress(rendition.dash_url)];
  return {
    state: [rendition, shared, creative.ladder],
    nodes: () => [
      ...(shared ? [el("p", { class: "hint" }, "Of the creative that it is linked to.")] : []),
      table("Rungs of the rendition", RUNGS, rows),
      facts([
        ["HLS", hls && address("HLS", hls)], ["DASH", dash && address("DASH", dash)],
        ["Length", filmLength(rendition.duration_ms)],
        ["Size", rendition.size ? bytes(rendition.size) : ""],
        ["Captions", (rendition.captions ?? []).join(", ")], ["Ladder", creative.ladder],
      ]),
    ],
  };
}

function links(creative, creatives) {
  const others = [creative.linked_to, ...creatives.linkedTo(creative.id).map((one) => one.id)].filter(Boolean);
  const named = others.map((id) => [id, creatives.get(id)]);
  const row = ([id, other]) => el("li", {},
    el("a", { href: `#creatives/${encodeURIComponent(id)}` }, other ? titleOf(other) : id),
    other && el("span", { class: "hint" }, [originWords(other), STATUS[other.status]].filter(Boolean).join(" · ")));
  return {
    state: named.map(([id, other]) => [id, other && [titleOf(other), originWords(other), other.status]]),
    nodes: () => (named.length ? [el("ul", { class: "links" }, ...named.map(row))] : []),
  };
}

function history({ history: steps = [] }) {
  const row = (step) => {
    const [what, told] = stepWords(step);
    return el("li", {}, el("span", { class: "what" }, what),
      el("time", { datetime: step.at }, when(step.at)), told && el("p", { class: "why" }, told));
  };
  return { state: steps, nodes: () => [el("ol", { class: "timeline" }, ...[...steps].reverse().map(row))] };
}
