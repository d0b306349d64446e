// A film to look at: by the browser's own HLS where it has it, else its lowest rung as MP4.

import { el, mark, say } from "./dom.js";
import { webAddress } from "./adwords.js";

const HLS = "application/vnd.apple.mpegurl";
const LANGUAGES = new Intl.DisplayNames(["en"], { type: "language", fallback: "code" });

/** `{ node, update(rendition, title) }`; the film is kept as long as its rendition is the same. */
export function player() {
  const note = el("p", { class: "hint" });
  const frame = el("div", { class: "frame" });
  const node = el("div", { class: "player" }, frame, note);
  let shown = null;
  const update = (rendition, title) => {
    const known = rendition?.preview_url ?? rendition?.hls_url ?? null;
    if (known === shown) return;
    shown = known;
    frame.replaceChildren(...(known ? [film(rendition, title, note)] : []));
    if (!known) say(note, "There is nothing to play yet.");
  };
  say(note, "There is nothing to play yet.");
  return { node, update };
}

function film(rendition, title, note) {
  const video = el("video", {
    controls: true, playsinline: true, preload: "metadata",
    "aria-label": `Preview of ${title}`, poster: webAddress(rendition.poster_url),
  });
  const lowest = rendition.rungs?.[0];
  const sources = [
    video.canPlayType(HLS) && [rendition.hls_url, "Played as HLS: the picture follows the connection."],
    [rendition.preview_url, `Played as MP4${lowest ? `: the lowest rung, ${lowest.width} × ${lowest.height}` : ""}.`],
  ].filter((one) => one && webAddress(one[0]));
  const play = () => {
    if (!sources.length) return say(note, "This browser cannot play the film.");
    const [url, words] = sources.shift();
    say(note, words);
    mark(video, "src", webAddress(url));
  };
  video.addEventListener("error", play);
  for (const track of tracks(rendition)) video.append(track);
  if (elsewhere(rendition.preview_url) && video.children.length) mark(video, "crossorigin", "anonymous");
  play();
  return video;
}

const elsewhere = (url) => new URL(url ?? "", location.href).origin !== location.origin;

/** Captions lie beside the HLS playlist, one whole file for each language. */
function tracks({ captions = [], hls_url: hls = null }) {
  if (!webAddress(hls)) return [];
  return captions.map((language) => {
    const file = new URL(`text/${encodeURIComponent(language)}/captions.vtt`, new URL(hls, location.href));
    const label = language === "und" ? "Captions" : LANGUAGES.of(language);
    return el("track", { kind: "captions", srclang: language, label, src: file.href });
  });
}
